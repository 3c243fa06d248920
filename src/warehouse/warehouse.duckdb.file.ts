/**
 * The DuckDB file as one object: one connection writes, one derives generations, a few answer questions. Lives
 * in the worker, since building chunks and flushing them would stop the service's event loop.
 */
import { existsSync } from 'node:fs';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { compareDays } from './digest.js';
import { inspect, literal } from './warehouse.duckdb.inspect.js';
import { Turn } from './turn.js';
import type {
  DerivedDay,
  DerivedDifference,
  EventBucket,
  EventInventory,
  Parameters,
  WarehouseHead,
} from './warehouse.js';
import { type EventColumns, greatest, keyOf, least, pick } from './warehouse.duckdb.columns.js';
import { appendEvents, timestamp, rows } from './warehouse.duckdb.rows.js';
import { type DerivedTable, type FileSchema, KEYS_BETWEEN, UP_TO } from './warehouse.duckdb.schema.js';
import { between, bringUpToDate, positionOf } from './warehouse.duckdb.tables.js';

/** Queries at a time: more would only share the same cores. */
const READERS = 2;
const HOUR_MS = 3_600_000;

export interface OpenOptions {
  path: string;
  schema: FileSchema;
  threads: number;
  memoryLimit: string;
}

interface Generation {
  upTo: number;
}

export class DuckDbFile {
  private readonly writing = new Turn();
  private readonly deriving = new Turn();
  private readonly idle: DuckDBConnection[] = [];
  private readonly waiting: ((connection: DuckDBConnection) => void)[] = [];
  private generation: Generation | null = null;
  /** Of the last event; changed by the writer's connection only, after its commit. */
  private position = 0;

  private constructor(
    private readonly instance: DuckDBInstance,
    private readonly schema: FileSchema,
    private readonly writer: DuckDBConnection,
    private readonly deriver: DuckDBConnection,
    readers: DuckDBConnection[],
  ) {
    this.idle.push(...readers);
  }

  static async open({ path, schema, threads, memoryLimit }: OpenOptions): Promise<DuckDbFile> {
    const instance = await DuckDBInstance.create(':memory:', {
      threads: String(threads),
      memory_limit: memoryLimit,
      temp_directory: `${path}.tmp`,
    });
    try {
      const isNew = !existsSync(path);
      const writer = await instance.connect();
      if (!isNew) await inspect(writer, path);
      // Small row groups keep an automatic checkpoint from stopping a commit for seconds.
      await writer.run(`ATTACH ${literal(path)} AS warehouse (TYPE duckdb, ROW_GROUP_SIZE 16384)`);
      const connect = async () => prepare(await instance.connect());
      await prepare(writer);
      const file = new DuckDbFile(
        instance,
        schema,
        writer,
        await connect(),
        await Promise.all(Array.from({ length: READERS }, connect)),
      );
      await file.migrate();
      return file;
    } catch (error) {
      instance.closeSync();
      throw error;
    }
  }

  private async migrate(): Promise<void> {
    await this.transaction(async () => {
      await bringUpToDate(this.writer, this.schema);
      for (const view of this.schema.views) await this.writer.run(view);
    });
    this.position = await positionOf(this.writer);
    await this.dropGeneration();
  }

  async head(): Promise<WarehouseHead> {
    const [head] = await this.query<WarehouseHead>(
      `SELECT checkpoint, events, recorded_at AS "recordedAt" FROM assay_projection`,
      {},
    );
    if (head === undefined) throw new Error('the table assay_projection is empty');
    return head;
  }

  append(events: EventColumns, checkpoint: string | null): Promise<void> {
    return this.writing.run(async () => {
      const fresh = await this.unknown(events);
      const position = this.position + fresh.id.length;
      await this.transaction(async () => {
        if (fresh.id.length > 0) await appendEvents(this.writer, fresh, this.position);
        await this.advance(fresh, position, checkpoint);
        await this.seal(this.position, position, '_sealed', new Set(fresh.type));
      });
      this.position = position;
    });
  }

  /** Those of the events that are not there yet, each once. */
  private async unknown(events: EventColumns): Promise<EventColumns> {
    if (events.id.length === 0) return events;
    const there = await rows<{ stream: string; revision: number }>(this.writer, KEYS_BETWEEN, {
      from: timestamp(least(events.recordedAt)),
      to: timestamp(greatest(events.recordedAt)),
    });
    const seen = new Set(there.map(({ stream, revision }) => keyOf(stream, revision)));
    const places: number[] = [];
    events.stream.forEach((stream, place) => {
      const key = keyOf(stream, events.revision[place] ?? 0);
      if (seen.has(key)) return;
      seen.add(key);
      places.push(place);
    });
    return pick(events, places);
  }

  private async advance(fresh: EventColumns, position: number, checkpoint: string | null): Promise<void> {
    await this.writer.run(
      `UPDATE assay_projection SET checkpoint = COALESCE($checkpoint, checkpoint), position = $position,
         events = events + $count, recorded_at = GREATEST(recorded_at, $recordedAt)`,
      {
        checkpoint,
        position: BigInt(position),
        count: BigInt(fresh.id.length),
        recordedAt: fresh.id.length === 0 ? null : timestamp(greatest(fresh.recordedAt)),
      },
    );
  }

  /** Adds the rows of the events in (after, upTo], which are of these types, to the derived tables. */
  private async seal(after: number, upTo: number, suffix: string, types: Set<string> | null): Promise<void> {
    for (const table of this.schema.derived) {
      if (types !== null && !table.types.some((type) => types.has(type))) continue;
      await this.writer.run(`INSERT INTO ${table.name}${suffix} ${between(table, after, upTo)}`);
    }
  }

  async query<Row>(statement: string, parameters: Parameters): Promise<Row[]> {
    const connection = await this.borrow();
    try {
      return await rows<Row>(connection, statement, parameters);
    } finally {
      this.giveBack(connection);
    }
  }

  deriveGeneration(): Promise<{ rows: Record<string, number>; differences: DerivedDifference[] }> {
    return this.deriving.run(async () => {
      await this.dropGeneration();
      const upTo = await positionOf(this.deriver);
      const counts: Record<string, number> = {};
      const differences: DerivedDifference[] = [];
      for (const table of this.schema.derived) {
        await this.deriver.run(`CREATE TABLE ${table.name}_next AS ${between(table, 0, upTo)}`);
        const derived = await this.days(table, '_next', upTo);
        counts[table.name] = derived.reduce((sum, day) => sum + day.rows, 0);
        differences.push(...compareDays(await this.days(table, '_sealed', upTo), derived));
      }
      this.generation = { upTo };
      return { rows: counts, differences };
    });
  }

  private async days(table: DerivedTable, suffix: string, upTo: number): Promise<DerivedDay[]> {
    const statement = table.days.replace('{table}', `${table.name}${suffix}`).replace(UP_TO, String(upTo));
    const found = await rows<Omit<DerivedDay, 'table'>>(this.deriver, statement);
    return found.map((day) => ({ table: table.name, ...day }));
  }

  swapGeneration(): Promise<void> {
    return this.writing.run(async () => {
      const generation = this.generation;
      if (generation === null) throw new Error('there is no derived generation to put in place');
      await this.transaction(async () => {
        await this.seal(generation.upTo, this.position, '_next', null);
        for (const { name } of this.schema.derived) {
          await this.writer.run(`DROP TABLE ${name}_sealed`);
          await this.writer.run(`ALTER TABLE ${name}_next RENAME TO ${name}_sealed`);
        }
      });
      this.generation = null;
    });
  }

  discardGeneration(): Promise<void> {
    return this.deriving.run(() => this.dropGeneration());
  }

  private async dropGeneration(): Promise<void> {
    this.generation = null;
    for (const { name } of this.schema.derived) await this.deriver.run(`DROP TABLE IF EXISTS ${name}_next`);
  }

  async eventInventory(): Promise<EventInventory> {
    const connection = await this.borrow();
    try {
      await connection.run('BEGIN');
      const [head] = await rows<{ checkpoint: string | null; position: number }>(
        connection,
        'SELECT checkpoint, position FROM assay_projection',
      );
      const buckets = await rows<EventBucket>(connection, this.schema.inventory);
      return { checkpoint: head?.checkpoint ?? null, position: head?.position ?? 0, buckets };
    } finally {
      await connection.run('ROLLBACK');
      this.giveBack(connection);
    }
  }

  forgetEvents(hour: number, upTo: number): Promise<void> {
    return this.writing.run(() =>
      this.transaction(async () => {
        const bounds = { from: timestamp(hour), to: timestamp(hour + HOUR_MS), upTo: BigInt(upTo) };
        const tables = ['events', ...this.schema.derived.map(({ name }) => `${name}_sealed`)];
        for (const table of tables) {
          await this.writer.run(
            `DELETE FROM ${table} WHERE position <= $upTo
               AND recorded_at >= $from AND recorded_at < $to`,
            bounds,
          );
        }
        await this.writer.run(
          `UPDATE assay_projection SET events = (SELECT COUNT(*) FROM events),
             recorded_at = (SELECT MAX(recorded_at) FROM events)`,
        );
        this.generation = null;
      }),
    );
  }

  clear(): Promise<void> {
    return this.writing.run(async () => {
      this.generation = null;
      await this.transaction(async () => {
        for (const { name } of this.schema.derived) await this.writer.run(`TRUNCATE ${name}_sealed`);
        await this.writer.run('TRUNCATE events');
        await this.writer.run(
          'UPDATE assay_projection SET checkpoint = NULL, position = 0, events = 0, recorded_at = NULL',
        );
      });
      this.position = 0;
    });
  }

  async close(): Promise<void> {
    await this.writing.run(async () => undefined);
    await this.deriving.run(async () => undefined);
    const readers = await Promise.all(Array.from({ length: READERS }, () => this.borrow()));
    for (const connection of [...readers, this.deriver]) connection.closeSync();
    await this.writer.run('USE memory');
    await this.writer.run('DETACH warehouse');
    this.writer.closeSync();
    this.instance.closeSync();
  }

  private async transaction(work: () => Promise<void>): Promise<void> {
    await this.writer.run('BEGIN');
    try {
      await work();
      await this.writer.run('COMMIT');
    } catch (error) {
      await this.writer.run('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  private async borrow(): Promise<DuckDBConnection> {
    return this.idle.pop() ?? new Promise((resolve) => this.waiting.push(resolve));
  }

  private giveBack(connection: DuckDBConnection): void {
    const next = this.waiting.shift();
    if (next === undefined) this.idle.push(connection);
    else next(connection);
  }
}

async function prepare(connection: DuckDBConnection): Promise<DuckDBConnection> {
  await connection.run('USE warehouse');
  await connection.run(`SET TimeZone = 'UTC'`);
  await connection.run(`SET default_null_order = 'nulls_first_on_asc_last_on_desc'`);
  return connection;
}
