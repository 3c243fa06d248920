/**
 * The warehouse in one DuckDB file. Events are appended, sealed and checkpointed in one transaction; questions
 * run beside it. The file belongs to one process at a time.
 */
import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { StoredEvent } from '../event/envelope.js';
import { duckdb } from './sql.js';
import {
  type DerivedDifference,
  type EventInventory,
  type Parameters,
  type Projection,
  type Statement,
  UnusableWarehouse,
  type Warehouse,
  type WarehouseHead,
  WarehouseUnavailable,
} from './warehouse.js';
import { toColumns } from './warehouse.duckdb.columns.js';
import { FILE_VERSION, fileSchema } from './warehouse.duckdb.schema.js';
import type { Call } from './warehouse.duckdb.worker.js';

/** Files open in this process: DuckDB's lock only keeps other processes out. */
const openFiles = new Set<string>();

export interface DuckDbOptions {
  /** Threads on which DuckDB works, from 1. */
  threads?: number;
  /** Memory it may use before it spills to `<path>.tmp`, as DuckDB writes it: `1GB`. */
  memoryLimit?: string;
}

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

interface Answer {
  id: number;
  result?: unknown;
  error?: string;
}

export class DuckDbWarehouse implements Warehouse {
  readonly location: string;
  readonly dialect = duckdb;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 0;
  private ended: Error | null = null;

  private constructor(
    private readonly path: string,
    private readonly worker: Worker,
  ) {
    this.location = `duckdb:${path}`;
    worker.on('message', (answer: Answer) => this.settle(answer));
    worker.on('error', (error) => this.end(`its thread failed: ${error.message}`));
    worker.on('exit', () => this.end('it is closed'));
  }

  /**
   * Opens the file, or creates it with its folder.
   * @throws UnusableWarehouse when the file is damaged, not Assay's, or of a newer version; it stays as it is
   * @throws WarehouseUnavailable when another process has it open
   */
  static async open(
    path: string,
    projection: Projection,
    options: DuckDbOptions = {},
  ): Promise<DuckDbWarehouse> {
    const absolute = resolve(path);
    if (openFiles.has(absolute)) throw new WarehouseUnavailable(`${path} is already open in this process`);
    mkdirSync(dirname(absolute), { recursive: true });
    openFiles.add(absolute);
    const worker = new Worker(new URL('./warehouse.duckdb.worker.js', import.meta.url));
    const warehouse = new DuckDbWarehouse(path, worker);
    worker.once('exit', () => openFiles.delete(absolute));
    try {
      const { threads = 2, memoryLimit = '1GB' } = options;
      const schema = fileSchema(projection);
      await warehouse.call({ call: 'open', options: { path: absolute, schema, threads, memoryLimit } });
      return warehouse;
    } catch (error) {
      await worker.terminate();
      throw openingFailure(path, error);
    }
  }

  head(): Promise<WarehouseHead> {
    return this.call({ call: 'head' });
  }

  append(events: readonly StoredEvent[], checkpoint: string | null): Promise<void> {
    return this.call({ call: 'append', events: toColumns(events), checkpoint });
  }

  query<Row>(statement: Statement, parameters: Parameters = {}): Promise<Row[]> {
    return this.call({ call: 'query', statement: statement(duckdb), parameters });
  }

  deriveGeneration(): Promise<{ rows: Record<string, number>; differences: DerivedDifference[] }> {
    return this.call({ call: 'deriveGeneration' });
  }

  swapGeneration(): Promise<void> {
    return this.call({ call: 'swapGeneration' });
  }

  discardGeneration(): Promise<void> {
    return this.call({ call: 'discardGeneration' });
  }

  eventInventory(): Promise<EventInventory> {
    return this.call({ call: 'eventInventory' });
  }

  forgetEvents(hour: number, upTo: number): Promise<void> {
    return this.call({ call: 'forgetEvents', hour, upTo });
  }

  clear(): Promise<void> {
    return this.call({ call: 'clear' });
  }

  async close(): Promise<void> {
    if (this.ended !== null) return;
    const closed = this.call({ call: 'close' });
    // Whatever is asked from now on fails; what was asked before is still answered.
    this.ended = new WarehouseUnavailable(`${this.location} is closed`);
    await closed;
    await this.worker.terminate();
  }

  private call<Result>(request: Call): Promise<Result> {
    if (this.ended !== null) return Promise.reject(this.ended);
    const id = this.nextId++;
    return new Promise<Result>((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.worker.postMessage({ id, request });
    });
  }

  private settle({ id, result, error }: Answer): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(failure(this.path, error));
  }

  private end(reason: string): void {
    this.ended ??= new WarehouseUnavailable(`${this.location} cannot answer: ${reason}`);
    for (const { reject } of this.waiting.values()) reject(this.ended);
    this.waiting.clear();
  }
}

/** What DuckDB says when it comes upon bytes that are not what it wrote. */
const DAMAGE = /Could not read enough bytes|Corrupt database file/;

/** What DuckDB says while it works: most of it is a mistake in a statement, some of it may pass. */
function failure(path: string, message: string): Error {
  if (DAMAGE.test(message)) {
    return new WarehouseUnavailable(
      `${path} is damaged (${message.split('\n')[0]}). Stop the service and move the file away: the warehouse is ` +
        'built anew from the event store',
    );
  }
  if (/^(IO|Out of Memory|FATAL|TransactionContext) Error/i.test(message)) {
    return new WarehouseUnavailable(`${path} cannot be read or written now: ${message}`);
  }
  return new Error(message);
}

/** What a look at the file found, in words. */
const FOUND: Record<string, string> = {
  FOREIGN: 'is a DuckDB file, but not of this service',
  'CUT SHORT': 'is damaged: its end is missing',
};

function openingFailure(path: string, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  const lock = /Conflicting lock is held in .*?\(PID (\d+)\)/.exec(message);
  if (/Could not set lock/.test(message)) {
    const holder = lock === null ? 'another process' : `process ${lock[1]}`;
    return new WarehouseUnavailable(
      `${path} is in use by ${holder}: stop it, or name another file in ASSAY_WAREHOUSE`,
    );
  }
  if (error instanceof WarehouseUnavailable && DAMAGE.test(message)) return new UnusableWarehouse(message);
  const newer = /NEWER (\d+)/.exec(message);
  if (newer !== null) {
    return new UnusableWarehouse(
      `${path} has file version ${newer[1]}, this service knows up to ${FILE_VERSION}: upgrade the service, ` +
        'or move the file away and run `assay rebuild`',
    );
  }
  const what = FOUND[message] ?? describeOpening(path, message);
  return new UnusableWarehouse(
    `${path} ${what}. Name another file in ASSAY_WAREHOUSE, or move this one away: the warehouse is built ` +
      'anew from the event store',
  );
}

function describeOpening(path: string, message: string): string {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  return isFolder ? 'is a folder' : `cannot be opened (${message.split('\n')[0]})`;
}
