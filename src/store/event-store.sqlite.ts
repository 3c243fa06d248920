/**
 * The event store in one SQLite file, for one process. The file is worked on by a thread of its own
 * (event-store.sqlite.worker.ts); this side gathers what one turn of the event loop asks for into one
 * message, and turns the answers back into events. Why so: docs/decisions/0002-sqlite-event-store.md
 */
import { resolve } from 'node:path';
import type { NewEvent, StoredEvent } from '../event/envelope.js';
import {
  decodeEvents,
  decodeReceipt,
  encodeAppend,
  type ReadReply,
  type ReadRequest,
  type Succeeded,
  type Value,
} from './event-store.sqlite.messages.js';
import { PAGE_PAYLOAD, requireAppendable, requirePageLimit } from './event-store.limits.js';
import { type LeaseRecord, type LeaseRequest, type LeaseState, releaseLease, takeLease } from './leases.js';
import { Thread } from './event-store.sqlite.thread.js';
import {
  InvalidPosition,
  NO_STREAM,
  StoreUnavailable,
  type AppendResult,
  type EventPage,
  type EventStore,
  type LogHead,
  type Receipt,
} from './event-store.js';

export interface SqliteEventStoreOptions {
  /** The store's clock, milliseconds; the system's unless given. */
  now?: () => number;
}

export class SqliteEventStore implements EventStore {
  readonly location: string;
  readonly isExclusive = true;
  readonly settleMs = 0;
  readonly #path: string;
  readonly #now: () => number;
  #thread: Thread | null = null;
  #closed = false;
  /** In memory, since the file has one process, and leases end with it. */
  readonly #leases = new Map<string, LeaseRecord>();
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

  async readStream(stream: string, after = NO_STREAM): Promise<StoredEvent[]> {
    return decodeEvents(await this.#read(['stream', stream, after]));
  }

  async readAll(after: string | null, limit: number, predictor?: string): Promise<EventPage> {
    requirePageLimit(limit);
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

  async countAfter(position: string | null, upTo?: string): Promise<number> {
    const passed = parsePosition(position);
    const end = upTo === undefined ? null : parsePosition(upTo);
    const { events } = await this.head();
    if (Math.max(passed, end ?? 0) > events) {
      throw new InvalidPosition(
        `position ${Math.max(passed, end ?? 0)} is behind the end of ${this.location}`,
      );
    }
    return Math.max(0, (end ?? events) - passed);
  }

  async receipt(key: string): Promise<Receipt | null> {
    const row = await this.#read(['receipt', key]);
    return row.length === 0 ? null : decodeReceipt(row);
  }

  async keepReceipt(receipt: Receipt): Promise<void> {
    await this.#running().append(encodeAppend('', 0, [], receipt));
  }

  lease(request: LeaseRequest): Promise<LeaseState> {
    return this.#changeLease(request.name, (known) => takeLease(known, request, this.#now()));
  }

  async releaseLease(name: string, holder: string): Promise<void> {
    await this.#changeLease(name, (known) => releaseLease(known, holder, this.#now()));
  }

  #changeLease(name: string, change: (known: LeaseRecord | null) => LeaseRecord): Promise<LeaseState> {
    if (this.#closed) return Promise.reject(new StoreUnavailable(`${this.location} is closed`));
    const record = change(this.#leases.get(name) ?? null);
    this.#leases.set(name, record);
    return Promise.resolve(record);
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

/** Events up to a position, which is the position itself; 0 for the beginning. */
function parsePosition(position: string | null): number {
  if (position === null) return 0;
  if (!/^[1-9][0-9]{0,15}$/.test(position)) {
    throw new InvalidPosition(`"${position}" is not a position: use one that an event or a page has`);
  }
  return Number(position);
}
