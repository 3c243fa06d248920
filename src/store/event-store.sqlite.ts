/**
 * The event store in one SQLite file, for one process. The file is worked on by a thread of its own
 * (event-store.sqlite.worker.ts); this side gathers what one turn of the event loop asks for into one
 * message, and turns the answers back into events. Why so: docs/decisions/0002-sqlite-event-store.md
 */
import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { NewEvent, StoredEvent } from '../event/envelope.js';
import {
  CLOSE,
  decodeEvents,
  decodeReceipt,
  encodeAppend,
  type AppendReply,
  type AppendRequest,
  type Batch,
  type Failed,
  type ReadReply,
  type ReadRequest,
  type Reply,
  type Value,
} from './event-store.sqlite.messages.js';
import {
  InvalidPosition,
  NO_STREAM,
  StoreUnavailable,
  UnusableStore,
  type AppendResult,
  type EventPage,
  type EventStore,
  type LogHead,
  type Receipt,
} from './event-store.js';

const MAX_EVENTS = 500;
const MAX_PAGE = 10_000;
/** A page ends early when its payloads are this long together, characters: 10,000 large ones fill the memory. */
const PAGE_PAYLOAD = 8 << 20;

export interface SqliteEventStoreOptions {
  /** The store's clock, milliseconds; the system's unless given. */
  now?: () => number;
}

export class SqliteEventStore implements EventStore {
  readonly location: string;
  readonly #path: string;
  readonly #now: () => number;
  #thread: Thread | null = null;
  #closed = false;
  /** Resolves when every thread so far is gone. */
  #ended = Promise.resolve();

  private constructor(path: string, { now = Date.now }: SqliteEventStoreOptions) {
    this.location = `sqlite:${path}`;
    this.#path = resolve(path);
    this.#now = now;
  }

  /**
   * Opens the file, with its folder and tables when there is none yet.
   * @throws UnusableStore when it is damaged, foreign or newer; it was not touched then
   * @throws StoreUnavailable when it cannot be opened now, for one because another process has it open
   */
  static async open(path: string, options: SqliteEventStoreOptions = {}): Promise<SqliteEventStore> {
    const store = new SqliteEventStore(path, options);
    try {
      await store.head();
    } catch (error) {
      await store.close();
      throw error;
    }
    return store;
  }

  async append(
    stream: string,
    expectedRevision: number,
    events: readonly NewEvent[],
    receipt?: Receipt,
  ): Promise<AppendResult> {
    requireAppendable(stream, expectedRevision, events);
    const request = encodeAppend(stream, expectedRevision, events, receipt);
    const reply = await this.#running().append(request);
    switch (reply[0]) {
      case 'appended':
        return { kind: 'appended', events: stored(stream, events, reply[1], reply[2], reply[3]) };
      case 'duplicate':
        return { kind: 'duplicate', events: decodeEvents(reply[1]) };
      case 'conflict':
        return { kind: 'conflict', actual: reply[1] };
      case 'id-taken':
        return { kind: 'id-taken', id: reply[1] };
      case 'answered':
        return { kind: 'answered', receipt: decodeReceipt(reply[1]) };
    }
  }

  async readStream(stream: string): Promise<StoredEvent[]> {
    return decodeEvents(await this.#read(['stream', stream]));
  }

  async readAll(after: string | null, limit: number, predictor?: string): Promise<EventPage> {
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) {
      throw new RangeError(`limit must be a whole number from 1 to ${MAX_PAGE}, not ${limit}`);
    }
    const events: StoredEvent[] = [];
    let payload = 0;
    let reached: number | null = parsePosition(after);
    // In steps, so that appends need not wait for a long page.
    while (reached !== null && events.length < limit && payload < PAGE_PAYLOAD) {
      const step: ReadRequest = ['after', reached, limit - events.length, predictor ?? null];
      const [, rows, next]: Succeeded<ReadReply> = await this.#running().read(step);
      for (const event of decodeEvents(rows)) {
        events.push(event);
        payload += event.payload.length;
      }
      reached = next;
    }
    return { events, next: events.at(-1)?.position ?? after, atEnd: reached === null };
  }

  async predictors(): Promise<string[]> {
    return (await this.#read(['predictors'])) as string[];
  }

  async head(): Promise<LogHead> {
    const [events] = (await this.#read(['head'])) as [number];
    return { events, position: events === 0 ? null : String(events) };
  }

  async countAfter(position: string | null): Promise<number> {
    const passed = parsePosition(position);
    const { events } = await this.head();
    if (passed > events)
      throw new InvalidPosition(`position ${passed} is behind the end of ${this.location}`);
    return events - passed;
  }

  async receipt(key: string): Promise<Receipt | null> {
    const row = await this.#read(['receipt', key]);
    return row.length === 0 ? null : decodeReceipt(row);
  }

  async keepReceipt(receipt: Receipt): Promise<void> {
    await this.#running().append(encodeAppend('', 0, [], receipt));
  }

  close(): Promise<void> {
    if (!this.#closed) this.#thread?.close();
    this.#closed = true;
    return this.#ended;
  }

  async #read(request: ReadRequest): Promise<Value[]> {
    return (await this.#running().read(request))[1];
  }

  /** The thread at work; a new one in the place of one that died or lost its file. */
  #running(): Thread {
    if (this.#closed) throw new StoreUnavailable(`${this.location} is closed`);
    if (this.#thread?.isRunning) return this.#thread;
    const thread = new Thread(this.#path, this.#now);
    this.#thread = thread;
    this.#ended = this.#ended.then(() => thread.ended);
    return thread;
  }
}

/** One life of the worker thread, with the calls that wait for its answers. */
class Thread {
  /** Resolves when the thread is gone and the file closed. */
  readonly ended: Promise<void>;
  readonly #worker: Worker;
  readonly #path: string;
  readonly #now: () => number;
  readonly #appends: Waiting<AppendReply>[] = [];
  readonly #reads: Waiting<ReadReply>[] = [];
  #batch: Batch | null = null;
  #running = true;

  constructor(path: string, now: () => number) {
    this.#path = path;
    this.#now = now;
    this.#worker = new Worker(new URL('./event-store.sqlite.worker.js', import.meta.url), {
      name: 'event-store',
      // The options of the process may not suit a worker (`--input-type` ends it at once).
      execArgv: [],
      workerData: { path },
    });
    this.#worker.on('message', (reply: Reply) => this.#receive(reply));
    // What went wrong inside is told to the callers, once the thread is gone.
    let reason = 'it was stopped';
    this.#worker.on('error', (error) => (reason = error.message));
    this.ended = new Promise((resolveEnded) => {
      this.#worker.once('exit', () => {
        this.#running = false;
        this.#failWaiting(reason);
        resolveEnded();
      });
    });
  }

  get isRunning(): boolean {
    return this.#running;
  }

  append(request: AppendRequest): Promise<Succeeded<AppendReply>> {
    this.#nextBatch().appends.push(request);
    return new Promise((resolve, reject) => this.#appends.push({ resolve, reject }));
  }

  read(request: ReadRequest): Promise<Succeeded<ReadReply>> {
    this.#nextBatch().reads.push(request);
    return new Promise((resolve, reject) => this.#reads.push({ resolve, reject }));
  }

  /** Lets it finish what was asked and close the file. */
  close(): void {
    this.#send();
    this.#worker.postMessage(CLOSE);
  }

  /** Collects until the end of this turn of the event loop. */
  #nextBatch(): Batch {
    if (this.#batch === null) {
      this.#batch = { now: 0, appends: [], reads: [] };
      setImmediate(() => this.#send());
    }
    return this.#batch;
  }

  #send(): void {
    if (this.#batch === null) return;
    this.#batch.now = this.#now();
    this.#worker.postMessage(this.#batch);
    this.#batch = null;
  }

  #receive(reply: Reply): void {
    if ('read' in reply) return this.#settle(this.#reads.splice(0, 1), [reply.read]);
    this.#settle(this.#appends.splice(0, reply.appends.length), reply.appends);
  }

  #settle<R extends AppendReply | ReadReply>(waiting: Waiting<R>[], replies: R[]): void {
    replies.forEach((reply, index) => {
      if (reply[0] !== 'failed') waiting[index]?.resolve(reply as Succeeded<R>);
      else {
        waiting[index]?.reject(errorOf(reply));
        if (reply[1] === 'lost' || reply[1] === 'unusable') this.#stop();
      }
    });
  }

  /** Ends a thread whose connection cannot be trusted any more. */
  #stop(): void {
    this.#running = false;
    void this.#worker.terminate();
  }

  #failWaiting(reason: string): void {
    for (const { reject } of [...this.#appends.splice(0), ...this.#reads.splice(0)]) {
      reject(new StoreUnavailable(`the thread of ${this.#path} ended (${reason}): the call can be repeated`));
    }
  }
}

/** A call that waits for its reply. */
interface Waiting<R> {
  resolve: (reply: Succeeded<R>) => void;
  reject: (error: Error) => void;
}

type Succeeded<R> = Exclude<R, Failed>;

function errorOf([, kind, message]: Failed): Error {
  switch (kind) {
    case 'full':
    case 'lost':
      return new StoreUnavailable(message);
    case 'unusable':
      return new UnusableStore(message);
    case 'position':
      return new InvalidPosition(message);
    case 'internal':
      return new Error(message);
  }
}

/** The events as they were stored, without asking for them. */
function stored(
  stream: string,
  events: readonly NewEvent[],
  revision: number,
  position: number,
  recordedAt: number,
): StoredEvent[] {
  return events.map((event, index) => ({
    id: event.id,
    type: event.type,
    schemaVersion: event.schemaVersion,
    occurredAt: event.occurredAt,
    predictor: event.predictor,
    causationId: event.causationId,
    traceparent: event.traceparent,
    payload: event.payload,
    stream,
    revision: revision + index,
    position: String(position + index),
    recordedAt,
  }));
}

/** Mistakes of the caller, found before they reach the log. */
function requireAppendable(stream: string, expectedRevision: number, events: readonly NewEvent[]): void {
  if (events.length < 1 || events.length > MAX_EVENTS) {
    throw new RangeError(`an append takes 1 to ${MAX_EVENTS} events, not ${events.length}`);
  }
  if (!Number.isInteger(expectedRevision) || expectedRevision < NO_STREAM) {
    throw new RangeError(`an expected revision is a whole number from ${NO_STREAM}, not ${expectedRevision}`);
  }
  if (events.length > 1 && new Set(events.map((event) => event.id)).size < events.length) {
    throw new RangeError(`two of the events for ${stream} have the same id`);
  }
  // SQLite takes such a text and gives back what is in front of the zero.
  if (stream.includes('\0') || events.some((event) => event.id.includes('\0'))) {
    throw new RangeError('streams and ids must not contain U+0000');
  }
}

/** Events up to a position, which is the position itself; 0 for the beginning. */
function parsePosition(position: string | null): number {
  if (position === null) return 0;
  if (!/^[1-9][0-9]{0,15}$/.test(position)) {
    throw new InvalidPosition(`"${position}" is not a position: use one that an event or a page has`);
  }
  return Number(position);
}
