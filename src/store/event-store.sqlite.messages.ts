/**
 * What the SQLite store's two threads say to each other. Values travel in flat arrays: at thousands of
 * messages a second, cloning named fields costs more than the insert.
 */
import type { NewEvent, StoredEvent } from '../event/envelope.js';
import type { Receipt } from './event-store.js';

export type Value = string | number | null;

/** Stream, expected revision, the receipt (four values, key null without one), then the events one by one. */
export type AppendRequest = Value[];

/** The next step through the log; it may end before the limit. */
export type StepRequest = ['after', position: number, limit: number, predictor: string | null];

/** Found by a key, in microseconds. */
export type LookupRequest =
  ['stream', stream: string, after: number] | ['predictors'] | ['head'] | ['receipt', string];

export type ReadRequest = LookupRequest | StepRequest;

/** Everything that one turn of the event loop asked for. */
export interface Batch {
  /** The clock of the service, milliseconds. */
  now: number;
  appends: AppendRequest[];
  lookups: LookupRequest[];
  steps: StepRequest[];
}

/**
 * full, lost: may recover, without or with a new connection; unusable: will not; position: it was never given
 * out; internal: a mistake of ours.
 */
export type FailureKind = 'full' | 'lost' | 'unusable' | 'position' | 'internal';

export type Failed = ['failed', FailureKind, message: string];

export type AppendReply =
  | ['appended', revision: number, position: number, recordedAt: number]
  | ['duplicate', rows: Value[]]
  | ['conflict', actual: number]
  | ['id-taken', id: string]
  | ['answered', receipt: Value[]]
  | Failed;

/** `reached`: position up to which the log was looked through; null at its end, and for other reads. */
export type ReadReply = ['read', rows: Value[], reached: number | null] | Failed;

export type Succeeded<R> = Exclude<R, Failed>;

/** Replies come in the order of the requests, each kind by itself. */
export type Reply = { appends: AppendReply[] } | { lookups: ReadReply[] } | { step: ReadReply };

/** Asks the worker to close the file and end. */
export const CLOSE = 'close';

/** Values in front of an append's first event. */
export const APPEND_HEAD = 6;
/** Values of one event in an append. */
export const NEW_EVENT_WIDTH = 8;
/** Values of one event in a reply, in the order of EVENT_COLUMNS. */
export const STORED_EVENT_WIDTH = 12;

export function encodeAppend(
  stream: string,
  expectedRevision: number,
  events: readonly NewEvent[],
  receipt?: Receipt,
): AppendRequest {
  const values: AppendRequest = [stream, expectedRevision];
  if (receipt === undefined) values.push(null, null, null, null);
  else values.push(receipt.key, receipt.requestHash, receipt.status, receipt.body);
  for (const event of events) {
    values.push(
      event.id,
      event.type,
      event.schemaVersion,
      event.occurredAt,
      event.predictor,
      event.causationId,
      event.traceparent,
      event.payload,
    );
  }
  return values;
}

export function decodeReceipt(row: Value[]): Receipt {
  const [key, requestHash, status, body] = row as [string, string, number, string];
  return { key, requestHash, status, body };
}

export function decodeEvents(rows: Value[]): StoredEvent[] {
  const events: StoredEvent[] = [];
  for (let at = 0; at < rows.length; at += STORED_EVENT_WIDTH) {
    events.push({
      id: rows[at + 3] as string,
      type: rows[at + 4] as string,
      schemaVersion: rows[at + 5] as number,
      occurredAt: rows[at + 6] as number,
      predictor: rows[at + 8] as string | null,
      causationId: rows[at + 9] as string | null,
      traceparent: rows[at + 10] as string | null,
      payload: rows[at + 11] as string,
      stream: rows[at + 1] as string,
      revision: rows[at + 2] as number,
      position: String(rows[at]),
      recordedAt: rows[at + 7] as number,
    });
  }
  return events;
}
