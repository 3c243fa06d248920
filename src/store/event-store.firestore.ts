/**
 * The event store in Firestore, for any number of processes. An append is one commit that only creates
 * documents; the log is read by the server's time of the append, up to a horizon behind which nothing can appear
 * any more. Why so: docs/decisions/0010-firestore-event-store.md
 */
import type { NewEvent, StoredEvent } from '../event/envelope.js';
import { FirestoreConnection, isTaken, type Write } from './event-store.firestore.client.js';
import {
  EVENTS,
  eventId,
  fieldsOfEvent,
  fieldsOfReceipt,
  LAYOUT,
  layoutOf,
  LOG,
  microsecondsOf,
  namesOf,
  PREDICTORS,
  predictorOfStream,
  receiptOf,
  receiptPath,
  requireFitsTogether,
  SHARDS,
  storedEvents,
  type StreamKey,
  streamKey,
  whole,
} from './event-store.firestore.documents.js';
import { FirestoreLeases } from './event-store.firestore.leases.js';
import { FirestoreLog } from './event-store.firestore.log.js';
import type { LeaseRequest, LeaseState } from './leases.js';
import { Skew } from './event-store.firestore.skew.js';
import { Queries } from './event-store.firestore.queries.js';
import { RecentStreams } from './event-store.firestore.recent.js';
import { requireAppendable } from './event-store.limits.js';
import {
  NO_STREAM,
  StoreUnavailable,
  UnusableStore,
  type AppendResult,
  type EventPage,
  type EventStore,
  type LogHead,
  type Receipt,
} from './event-store.js';

/** Commits that find a document taken, look, and find nothing that explains it: a receipt that just expired. */
const ATTEMPTS = 5;
/** The estimate of the server's clock lags by the way of an answer, milliseconds at most. */
const ANSWER_MS = 100;

export interface FirestoreEventStoreOptions {
  project: string;
  /** `(default)` unless given. */
  database?: string;
  /** Server to use in the place of Google's, host:port. */
  emulator?: string | null;
  /**
   * How far behind the server's clock the log is read, milliseconds; 5,000 unless given. A commit may become
   * visible later than its time says; one that is later than this is only found by counting.
   */
  horizonMs?: number;
  /** A look-up or an append ends within this time, milliseconds; 5,000 unless given. */
  callMs?: number;
  /** A step through the log or a count ends within this time, milliseconds; 30,000 unless given. */
  scanMs?: number;
}

export class FirestoreEventStore implements EventStore {
  readonly location: string;
  readonly isExclusive = false;
  readonly settleMs: number;
  readonly #connection: FirestoreConnection;
  readonly #queries: Queries;
  readonly #log: FirestoreLog;
  readonly #leases: FirestoreLeases;
  readonly #skew = new Skew();
  readonly #recent = new RecentStreams();
  #closing: Promise<void> | null = null;
  #appending = 0;
  #appended: () => void = () => {};

  private constructor({
    project,
    database = '(default)',
    emulator = null,
    horizonMs = 5_000,
    callMs = 5_000,
    scanMs = 30_000,
  }: FirestoreEventStoreOptions) {
    this.location = `firestore:${project}/${database}`;
    this.settleMs = horizonMs + ANSWER_MS;
    this.#connection = new FirestoreConnection({ project, database, emulator, callMs, scanMs });
    this.#queries = new Queries(this.#connection.documents);
    this.#leases = new FirestoreLeases(this.#connection);
    this.#log = new FirestoreLog(this.#connection, this.#queries, horizonMs * 1_000);
  }

  /**
   * Connects, and marks an empty database as ours.
   * @throws UnusableStore when a newer service wrote it
   * @throws StoreUnavailable when it cannot be reached, does not exist or refuses us; the message says which
   */
  static async open(options: FirestoreEventStoreOptions): Promise<FirestoreEventStore> {
    const store = new FirestoreEventStore(options);
    try {
      await store.#connection.open();
      await store.#requireLayout();
    } catch (error) {
      await store.#connection.close();
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
    this.#requireOpen();
    requireAppendable(stream, expectedRevision, events);
    this.#appending += 1;
    try {
      return await this.#append(stream, streamKey(stream), expectedRevision, events, receipt);
    } finally {
      this.#appending -= 1;
      if (this.#appending === 0) this.#appended();
    }
  }

  async readStream(stream: string, after = NO_STREAM): Promise<StoredEvent[]> {
    this.#requireOpen();
    const events = await this.#log.stream(streamKey(stream), after);
    if (after === NO_STREAM) this.#recent.remember(stream, events);
    return events;
  }

  async readAll(after: string | null, limit: number, predictor?: string): Promise<EventPage> {
    this.#requireOpen();
    return this.#log.page(after, limit, predictor);
  }

  async predictors(): Promise<string[]> {
    this.#requireOpen();
    const document = await this.#connection.get(PREDICTORS);
    return document === null ? [] : namesOf(document).sort();
  }

  async head(): Promise<LogHead> {
    this.#requireOpen();
    return this.#log.head();
  }

  async countAfter(position: string | null, upTo?: string): Promise<number> {
    this.#requireOpen();
    return this.#log.countAfter(position, upTo);
  }

  async receipt(key: string): Promise<Receipt | null> {
    this.#requireOpen();
    const document = await this.#connection.get(receiptPath(key));
    return document === null ? null : receiptOf(document);
  }

  async keepReceipt(receipt: Receipt): Promise<void> {
    this.#requireOpen();
    try {
      await this.#connection.commit([this.#receiptWrite(receipt)]);
    } catch (error) {
      if (!isTaken(error)) throw error;
    }
  }

  skewSeconds(): number {
    return this.#skew.largest(performance.now());
  }

  async lease(request: LeaseRequest): Promise<LeaseState> {
    this.#requireOpen();
    return this.#leases.take(request);
  }

  async releaseLease(name: string, holder: string): Promise<void> {
    this.#requireOpen();
    await this.#leases.release(name, holder);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#appending > 0) await new Promise<void>((resolve) => (this.#appended = resolve));
    await this.#connection.close();
  }

  #requireOpen(): void {
    if (this.#closing !== null) throw new StoreUnavailable(`${this.location} is closed`);
  }

  async #append(
    stream: string,
    key: StreamKey,
    expected: number,
    events: readonly NewEvent[],
    receipt: Receipt | undefined,
  ): Promise<AppendResult> {
    const writes = this.#writesOf(stream, key, expected, events, receipt);
    // A stream that must not exist needs no look: where one of its documents does, nothing is written.
    let looked = expected === NO_STREAM || this.#recent.allows(stream, expected, events);
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      if (!looked) {
        const known = await this.#known(key, expected, events, receipt);
        if (known !== null) return known;
      }
      looked = false;
      try {
        const { writeResults, commitTime } = await this.#connection.commit(writes);
        const at = microsecondsOf(
          writeResults[0]?.transformResults[0]?.timestampValue ?? { seconds: 0, nanos: 0 },
        );
        this.#skew.add((microsecondsOf(commitTime) - at) / 1e6, performance.now());
        return { kind: 'appended', events: storedEvents(stream, key, expected + 1, events, at) };
      } catch (error) {
        if (!isTaken(error)) throw error;
      }
    }
    throw new StoreUnavailable(`${this.location}: ${stream} is being changed by others all the time`);
  }

  /** The answer to an append whose stream or receipt says that it must not be written; null when it may be. */
  async #known(
    key: StreamKey,
    expected: number,
    events: readonly NewEvent[],
    receipt: Receipt | undefined,
  ): Promise<AppendResult | null> {
    const [stored, kept] = await Promise.all([
      this.#log.stream(key),
      receipt === undefined ? null : this.#connection.get(receiptPath(receipt.key)),
    ]);
    if (kept !== null) return { kind: 'answered', receipt: receiptOf(kept) };
    return answerFrom(stored, expected, events);
  }

  #writesOf(
    stream: string,
    key: StreamKey,
    expected: number,
    events: readonly NewEvent[],
    receipt: Receipt | undefined,
  ): Write[] {
    const writes = events.map((event, index): Write => ({
      update: {
        name: `${this.#connection.documents}/${EVENTS}/${eventId(key, expected + 1 + index)}`,
        fields: fieldsOfEvent(stream, key, expected + 1 + index, event),
      },
      updateTransforms: [{ fieldPath: 'at', setToServerValue: 'REQUEST_TIME' }],
      currentDocument: { exists: false },
    }));
    requireFitsTogether(events);
    if (receipt !== undefined) writes.push(this.#receiptWrite(receipt));
    const predictor = expected === NO_STREAM ? predictorOfStream(stream) : null;
    if (predictor !== null) writes.push(this.#predictorWrite(predictor));
    return writes;
  }

  #receiptWrite(receipt: Receipt): Write {
    return {
      update: {
        name: `${this.#connection.documents}/${receiptPath(receipt.key)}`,
        fields: fieldsOfReceipt(receipt, this.#connection.serverTime),
      },
      currentDocument: { exists: false },
    };
  }

  #predictorWrite(predictor: string): Write {
    const values = [{ stringValue: predictor }];
    return {
      update: { name: `${this.#connection.documents}/${PREDICTORS}`, fields: {} },
      updateMask: { fieldPaths: [] },
      updateTransforms: [{ fieldPath: 'names', appendMissingElements: { values } }],
    };
  }

  async #requireLayout(): Promise<void> {
    const found = await this.#connection.get(LOG);
    if (found !== null) {
      if (layoutOf(found) <= LAYOUT) return;
      throw new UnusableStore(
        `${this.location} was written by a newer version (layout ${layoutOf(found)}, known up to ${LAYOUT}): upgrade the service`,
      );
    }
    const update = {
      name: `${this.#connection.documents}/${LOG}`,
      fields: { layout: whole(LAYOUT), shards: whole(SHARDS) },
    };
    try {
      await this.#connection.commit([{ update, currentDocument: { exists: false } }]);
    } catch (error) {
      // Another process was faster.
      if (!isTaken(error)) throw error;
    }
  }
}

/** What a stream says to an append, in the order of the port's promise; null when it may be written. */
function answerFrom(
  stored: readonly StoredEvent[],
  expected: number,
  events: readonly NewEvent[],
): AppendResult | null {
  const there = new Map(stored.map((event) => [event.id, event]));
  const known: StoredEvent[] = [];
  for (const { id, type, payload } of events) {
    const found = there.get(id);
    if (found === undefined) continue;
    if (found.type !== type || found.payload !== payload) return { kind: 'id-taken', id };
    known.push(found);
  }
  if (known.length === events.length) return { kind: 'duplicate', events: known };
  if (known[0] !== undefined) return { kind: 'id-taken', id: known[0].id };
  const actual = stored.at(-1)?.revision ?? NO_STREAM;
  return actual === expected ? null : { kind: 'conflict', actual };
}
