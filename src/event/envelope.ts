/**
 * The envelope around every event: what the store keeps, what the warehouse receives, and what leaves
 * the service as CloudEvents 1.0 JSON.
 *
 * Times are whole milliseconds since 1970-01-01T00:00:00Z. The payload stays JSON text from the moment it
 * is accepted until somebody reads it, so that store, warehouse and export hold the same bytes.
 */

/** Version of the payload shapes written today; `liftPayload` brings older ones up to it. */
export const SCHEMA_VERSION = 1;

/** Name under which this service appears as CloudEvents `source`. */
export const SOURCE = '/assay';

/** An event that is about to be appended. */
export interface NewEvent {
  /** Unique within its stream; a UUIDv7 unless the caller gave one. The same id again is the same event. */
  readonly id: string;
  readonly type: string;
  readonly schemaVersion: number;
  /** When it happened, by the clock of whoever saw it. */
  readonly occurredAt: number;
  /** Predictor it belongs to; null where that is not known yet (a correction ahead of its prediction). */
  readonly predictor: string | null;
  /** Id of the event or request that led to this one. */
  readonly causationId: string | null;
  /** W3C trace context of the request that led to this one. */
  readonly traceparent: string | null;
  /** The data, as JSON text. */
  readonly payload: string;
}

/** An event as the store gives it back. */
export interface StoredEvent extends NewEvent {
  /** `prediction-<id>` or `predictor-<name>`. */
  readonly stream: string;
  /** Place in the stream, from 0, without gaps. */
  readonly revision: number;
  /** Place in the log: opaque, given by the store, only good for asking what comes after it. */
  readonly position: string;
  /** When the store took it, by the store's clock. */
  readonly recordedAt: number;
}

/** An event as others see it: CloudEvents 1.0 in JSON, with the envelope's own fields as extensions. */
export interface CloudEvent {
  specversion: '1.0';
  id: string;
  source: string;
  type: string;
  /** RFC 3339, UTC. */
  time: string;
  subject: string;
  datacontenttype: 'application/json';
  /** When the store took it, RFC 3339, UTC. */
  recordedtime: string;
  /** Cursor: `GET /v1/events?after=` this gives what follows. */
  position: string;
  revision: number;
  causationid?: string;
  traceparent?: string;
  data: unknown;
}

export function predictionStream(predictionId: string): string {
  return `prediction-${predictionId}`;
}

export function predictorStream(predictor: string): string {
  return `predictor-${predictor}`;
}

/** The prediction a stream is about, or null when it is about something else. */
export function predictionOfStream(stream: string): string | null {
  return stream.startsWith('prediction-') ? stream.slice('prediction-'.length) : null;
}

export interface EventHead {
  id: string;
  occurredAt: number;
  predictor: string | null;
  causationId?: string | null;
  traceparent?: string | null;
}

/** Puts data in its envelope. */
export function newEvent(type: string, head: EventHead, data: object): NewEvent {
  return {
    id: head.id,
    type,
    schemaVersion: SCHEMA_VERSION,
    occurredAt: head.occurredAt,
    predictor: head.predictor,
    causationId: head.causationId ?? null,
    traceparent: head.traceparent ?? null,
    payload: JSON.stringify(data),
  };
}

/**
 * The data of an event in the shape of `SCHEMA_VERSION`.
 * @throws Error when the event was written by a newer version of the service.
 */
export function payloadOf<Data>(event: Pick<NewEvent, 'id' | 'schemaVersion' | 'payload'>): Data {
  if (event.schemaVersion > SCHEMA_VERSION) {
    throw new Error(
      `event ${event.id} has schema version ${event.schemaVersion}, this service knows up to ${SCHEMA_VERSION}: upgrade it`,
    );
  }
  return JSON.parse(event.payload) as Data;
}

export function toCloudEvent(event: StoredEvent): CloudEvent {
  return {
    specversion: '1.0',
    id: event.id,
    source: SOURCE,
    type: event.type,
    time: new Date(event.occurredAt).toISOString(),
    subject: event.stream,
    datacontenttype: 'application/json',
    recordedtime: new Date(event.recordedAt).toISOString(),
    position: event.position,
    revision: event.revision,
    ...(event.causationId === null ? {} : { causationid: event.causationId }),
    ...(event.traceparent === null ? {} : { traceparent: event.traceparent }),
    data: payloadOf(event),
  };
}
