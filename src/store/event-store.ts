/**
 * The port to the append-only log. Every adapter keeps every promise below; test/contract/event-store.ts
 * checks them on each.
 */
import type { NewEvent, StoredEvent } from '../event/envelope.js';
import type { LeaseRequest, LeaseState } from './leases.js';

/** DI token of the event store in use. */
export const EVENT_STORE = Symbol('EventStore');

/** Expected revision of a stream that must not exist yet. */
export const NO_STREAM = -1;

/** The first answer to a request that carried an Idempotency-Key, kept so that a repeat gets it again. */
export interface Receipt {
  /** Hash over method, route and key. */
  key: string;
  /** Hash over the body: another body under the same key is a mistake of the caller. */
  requestHash: string;
  status: number;
  /** The answer's JSON text; empty for an answer without a body. */
  body: string;
}

/** What became of an append. */
export type AppendResult =
  /** They are on disk now, at these places. */
  | { kind: 'appended'; events: StoredEvent[] }
  /** Each of them was there already, with the same type and payload: nothing was written. */
  | { kind: 'duplicate'; events: StoredEvent[] }
  /** The stream is not at the expected revision (`actual`; NO_STREAM when there is none): nothing was written. */
  | { kind: 'conflict'; actual: number }
  /**
   * An id of the stream is taken by an event with other content, or only some of the ids are there already:
   * nothing was written.
   */
  | { kind: 'id-taken'; id: string }
  /** The receipt's key was used before: nothing was written. */
  | { kind: 'answered'; receipt: Receipt };

/** A stretch of the log, oldest first. */
export interface EventPage {
  events: StoredEvent[];
  /** Position of the last event that was read, or `after` unchanged when there was none. */
  next: string | null;
  /**
   * True when the end of the log was reached: everything acknowledged before the call has been read, less what
   * the store still keeps back (`settleMs`).
   */
  atEnd: boolean;
}

/** How far the log goes. */
export interface LogHead {
  /** Events in the log. */
  events: number;
  /** Position of the last one; null while the log is empty. */
  position: string | null;
}

/** The append-only log of all events, in streams that each count their events from 0. */
export interface EventStore {
  /** What and where it is, for people: `sqlite:./data/events.db`. Holds no secret. */
  readonly location: string;

  /** Whether no other process can append while this one has it open: then nothing changes behind its back. */
  readonly isExclusive: boolean;

  /**
   * How long after its acknowledgement an event may stay out of `readAll`, milliseconds; 0 when it is there at
   * once. A store of many machines keeps the youngest events back until no other can still come before them.
   */
  readonly settleMs: number;

  /**
   * Appends to one stream, all or nothing, and resolves when the events are durable (survive the death of
   * the process and of the machine's power).
   *
   * In this order: a known receipt key answers `answered`; the same ids with the same type and payload answer
   * `duplicate`; a taken id with other content answers `id-taken`; a stream that is not at `expectedRevision`
   * answers `conflict`. Of writers that race for one revision exactly one wins.
   *
   * @param events 1 to 500, ids unique within the stream
   * @param receipt kept in the same step as the events
   * @throws StoreUnavailable when the store cannot write now; nothing was written, unless the answer was
   *   lost on its way, which a retry with the same ids finds out
   * @throws TooLarge when an event or all of them together are larger than the store keeps
   */
  append(
    stream: string,
    expectedRevision: number,
    events: readonly NewEvent[],
    receipt?: Receipt,
  ): Promise<AppendResult>;

  /**
   * The stream in order of revision; empty when there is none. Sees every acknowledged append.
   * @param after only what follows this revision; costs no more than what it gives back
   */
  readStream(stream: string, after?: number): Promise<StoredEvent[]>;

  /**
   * The log after a position, in one order that never changes. Everything appended is emitted exactly once
   * over successive pages, never before a position that was returned earlier, in order of revision within
   * a stream.
   * @param after position of an earlier page or event, null for the beginning
   * @param limit 1 to 10,000
   * @param predictor only what belongs to this predictor; a correction belongs to its prediction's
   * @throws InvalidPosition when `after` was not given out by this store
   */
  readAll(after: string | null, limit: number, predictor?: string): Promise<EventPage>;

  /** Names of the predictors that have a stream, sorted. */
  predictors(): Promise<string[]>;

  head(): Promise<LogHead>;

  /**
   * How many events lie after a position (null: the beginning), up to another one where it is given. Counts
   * those as well that `readAll` still keeps back.
   * @throws InvalidPosition
   */
  countAfter(position: string | null, upTo?: string): Promise<number>;

  /** The receipt kept under a key, or null. Kept for at least 24 hours. */
  receipt(key: string): Promise<Receipt | null>;

  /** Keeps a receipt by itself, for requests that are idempotent without it. The first one stands. */
  keepReceipt(receipt: Receipt): Promise<void>;

  /**
   * Takes or renews a lease, or asks its holder for it (leases.ts). Of all processes that share the store at
   * most one holds it, until `ttlMs` after its last renewal, by the store's clock.
   */
  lease(request: LeaseRequest): Promise<LeaseState>;

  /** Gives a lease up; nothing happens when `holder` does not have it. */
  releaseLease(name: string, holder: string): Promise<void>;

  /**
   * Largest time, seconds, that an event became visible after the time it carries, over the last minutes. Only
   * of stores whose order is by a clock; one that exceeds what such a store waits for would lose events.
   */
  skewSeconds?(): number;

  /** Settles once all accepted appends have; afterwards every call fails. */
  close(): Promise<void>;
}

/** The store cannot write or read now, and may recover: disk full, disk gone, network away. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

/** More than this store can keep in one event or in one append: it will not fit tomorrow either. */
export class TooLarge extends Error {
  override readonly name = 'TooLarge';
}

/** A cursor that this store never gave out. */
export class InvalidPosition extends Error {
  override readonly name = 'InvalidPosition';
}

/** The file or database is there but cannot be used: damaged, foreign, or of a newer service. */
export class UnusableStore extends Error {
  override readonly name = 'UnusableStore';
}
