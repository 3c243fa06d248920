/**
 * What Firestore keeps of us: the names and fields of documents, and positions in the log. Pure.
 *
 * `events/{hh|stream|rrrrrr}`: hh are the first hex digits of the stream's hash, so that neighbours in time are
 * not neighbours in the key; rrrrrr is the revision. The name is the lock: a revision can be created once.
 */
import { hash } from 'node:crypto';
import type { NewEvent, StoredEvent } from '../event/envelope.js';
import { InvalidPosition, TooLarge, type Receipt } from './event-store.js';

/** A value of a field, one member of it set. */
export interface Value {
  stringValue?: string;
  integerValue?: number | string;
  nullValue?: 'NULL_VALUE';
  referenceValue?: string;
  timestampValue?: Timestamp;
  arrayValue?: { values: Value[] };
}

export interface Timestamp {
  seconds: number | string;
  nanos: number;
}

export type Fields = Record<string, Value>;

export interface Document {
  name: string;
  fields: Fields;
  /** When it was last written; with documents that are read by their path. */
  updateTime?: Timestamp;
}

/** A place in the log: the server's time of the append, microseconds, and the document's id. */
export interface Place {
  at: number;
  id: string;
}

/** Written into `meta/log`; raised when older services cannot read what is written. */
export const LAYOUT = 1;
/** Values of the field by which the time index is spread over machines. */
export const SHARDS = 16;
export const EVENTS = 'events';
export const LOG = 'meta/log';
export const PREDICTORS = 'meta/predictors';

/** Firestore's limit on a document is 1 MiB; names, fields and overhead beside the payload take some of it. */
const DOCUMENT_BYTES = 1 << 20;
const OVERHEAD_BYTES = 1_024;
/** Firestore's limit on a request, less some room. */
const REQUEST_BYTES = 10e6;
/** Firestore's limit on an id. */
const ID_BYTES = 1_500;
const REVISION_DIGITS = 6;
const RECEIPTS_KEPT_MS = 48 * 3_600_000;
/** Firestore allows no `/` in an id; `|` and `~` delimit the parts of ours. */
const RESERVED = /[%/|~]/g;

const PREDICTOR_PREFIX = 'predictor-';

export const text = (value: string): Value => ({ stringValue: value });
export const whole = (value: number): Value => ({ integerValue: value });
export const NONE: Value = { nullValue: 'NULL_VALUE' };
export const time = (microseconds: number): Value => ({
  timestampValue: {
    seconds: Math.floor(microseconds / 1e6),
    nanos: (microseconds % 1e6) * 1_000,
  },
});

export const textOrNone = (value: string | null): Value => (value === null ? NONE : { stringValue: value });
const textOf = (value: Value | undefined): string => value?.stringValue ?? '';
export const textOrNullOf = (value: Value | undefined): string | null => value?.stringValue ?? null;
export const wholeOf = (value: Value | undefined): number => Number(value?.integerValue ?? 0);

/** Microseconds since 1970. */
export function microsecondsOf({ seconds, nanos }: Timestamp): number {
  return Number(seconds) * 1e6 + Math.floor(nanos / 1_000);
}

/** What all ids of a stream begin with, and the shard they are in. */
export interface StreamKey {
  prefix: string;
  shard: number;
}

export function streamKey(stream: string): StreamKey {
  const hex = hash('sha256', stream, 'hex').slice(0, 2);
  const prefix = `${hex}|${escaped(stream)}|`;
  if (prefix.length * 3 > ID_BYTES && Buffer.byteLength(prefix) + REVISION_DIGITS > ID_BYTES) {
    throw new RangeError(`a stream's name may take ${ID_BYTES} bytes, not ${Buffer.byteLength(prefix)}`);
  }
  return { prefix, shard: parseInt(hex, 16) % SHARDS };
}

export function eventId({ prefix }: StreamKey, revision: number): string {
  const digits = String(revision);
  if (digits.length > REVISION_DIGITS) {
    throw new RangeError(`a stream holds ${10 ** REVISION_DIGITS} events: start another one`);
  }
  return prefix + digits.padStart(REVISION_DIGITS, '0');
}

export function receiptPath(key: string): string {
  return `receipts/k-${escaped(key)}`;
}

/** A name as it may be a part of a document's. */
export const escaped = (name: string): string =>
  name.replace(RESERVED, (character) => `%${character.charCodeAt(0).toString(16)}`);

/** The predictor a stream is about, or null when it is about something else. */
export function predictorOfStream(stream: string): string | null {
  return stream.startsWith(PREDICTOR_PREFIX) ? stream.slice(PREDICTOR_PREFIX.length) : null;
}

/**
 * All fields but `at`, which the server fills in.
 * @throws TooLarge
 */
export function fieldsOfEvent(
  stream: string,
  { shard }: StreamKey,
  revision: number,
  event: NewEvent,
): Fields {
  const fields = {
    s: text(stream),
    r: whole(revision),
    sh: whole(shard),
    i: text(event.id),
    t: text(event.type),
    v: whole(event.schemaVersion),
    o: whole(event.occurredAt),
    p: textOrNone(event.predictor),
    c: textOrNone(event.causationId),
    w: textOrNone(event.traceparent),
    d: text(event.payload),
  };
  requireFits(event, fields);
  return fields;
}

/** Most payloads are far from the limit: their length in characters says so without counting bytes. */
function requireFits(event: NewEvent, fields: Fields): void {
  if ((event.payload.length + event.id.length) * 3 < DOCUMENT_BYTES / 2) return;
  const bytes = Object.values(fields).reduce(
    (sum, { stringValue = '' }) => sum + Buffer.byteLength(stringValue),
    OVERHEAD_BYTES + ID_BYTES,
  );
  if (bytes <= DOCUMENT_BYTES) return;
  throw new TooLarge(
    `event "${event.id}" takes ${Buffer.byteLength(event.payload)} bytes: Firestore keeps up to 1 MiB with all that belongs to an event. Send a smaller input, or a reference to it`,
  );
}

/** @throws TooLarge when the events of one append exceed what Firestore takes in one request */
export function requireFitsTogether(events: readonly NewEvent[]): void {
  if (events.length === 1) return;
  const characters = events.reduce((sum, { payload }) => sum + payload.length, 0);
  if (characters * 3 < REQUEST_BYTES) return;
  const bytes = events.reduce(
    (sum, { payload }) => sum + Buffer.byteLength(payload),
    events.length * OVERHEAD_BYTES,
  );
  if (bytes <= REQUEST_BYTES) return;
  throw new TooLarge(
    `${events.length} events of one stream take ${bytes} bytes together: Firestore takes up to 10 MiB at once. Send fewer of them in one request`,
  );
}

export function eventOf({ name, fields }: Document): StoredEvent {
  const at = atOf(fields);
  return {
    id: textOf(fields.i),
    type: textOf(fields.t),
    schemaVersion: wholeOf(fields.v),
    occurredAt: wholeOf(fields.o),
    predictor: textOrNullOf(fields.p),
    causationId: textOrNullOf(fields.c),
    traceparent: textOrNullOf(fields.w),
    payload: textOf(fields.d),
    stream: textOf(fields.s),
    revision: wholeOf(fields.r),
    position: positionOf({ at, id: idOf(name) }),
    recordedAt: millisecondsOf(at),
  };
}

/** The events as they were stored, without asking for them. */
export function storedEvents(
  stream: string,
  key: StreamKey,
  first: number,
  events: readonly NewEvent[],
  at: number,
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
    revision: first + index,
    position: positionOf({ at, id: eventId(key, first + index) }),
    recordedAt: millisecondsOf(at),
  }));
}

const millisecondsOf = (microseconds: number): number => Math.floor(microseconds / 1_000);

function atOf(fields: Fields): number {
  return microsecondsOf(fields.at?.timestampValue ?? { seconds: 0, nanos: 0 });
}

/** The last part of a document's name. */
function idOf(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

export function placeOf({ name, fields }: Document): Place {
  return { at: atOf(fields), id: idOf(name) };
}

/** The order in which Firestore gives events back: by time, then by the bytes of the name. */
export function comparePlaces(a: Place, b: Place): number {
  return a.at - b.at || Buffer.compare(Buffer.from(a.id), Buffer.from(b.id));
}

export function positionOf({ at, id }: Place): string {
  return `${at}.${Buffer.from(id).toString('base64url')}`;
}

/** @throws InvalidPosition when it has not the form of a position */
export function parsePosition(position: string): Place {
  const [, at = '', id = ''] = /^([1-9]\d{0,15})\.([\w-]+)$/.exec(position) ?? [];
  const place = { at: Number(at), id: Buffer.from(id, 'base64url').toString() };
  if (!/^[0-9a-f]{2}\|.+\|\d{6}$/su.test(place.id) || positionOf(place) !== position) {
    throw new InvalidPosition(`"${position}" is not a position: use one that an event or a page has`);
  }
  return place;
}

/**
 * `until` is the field of the deletion policy; Firestore deletes within a day after it.
 * @param now the store's clock, microseconds
 */
export function fieldsOfReceipt({ key, requestHash, status, body }: Receipt, now: number): Fields {
  return {
    k: text(key),
    h: text(requestHash),
    n: whole(status),
    b: text(body),
    until: time(now + RECEIPTS_KEPT_MS * 1_000),
  };
}

export function receiptOf({ fields }: Document): Receipt {
  return {
    key: textOf(fields.k),
    requestHash: textOf(fields.h),
    status: wholeOf(fields.n),
    body: textOf(fields.b),
  };
}

export function namesOf({ fields }: Document): string[] {
  return (fields.names?.arrayValue?.values ?? []).map(textOf);
}

export function layoutOf({ fields }: Document): number {
  return wholeOf(fields.layout);
}
