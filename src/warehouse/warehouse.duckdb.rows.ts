/** Rows on their way into DuckDB and out of it. */
import {
  BIGINT,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBTimestampTZValue,
  type DuckDBType,
  type DuckDBValue,
  type JS,
  TIMESTAMPTZ,
  VARCHAR,
} from '@duckdb/node-api';
import type { StoredEvent } from '../event/envelope.js';

/** As many rows as a chunk of DuckDB holds. */
const CHUNK_ROWS = 2048;

const EVENT_TYPES = [
  BIGINT, VARCHAR, BIGINT, VARCHAR, VARCHAR, BIGINT, TIMESTAMPTZ, TIMESTAMPTZ, VARCHAR, VARCHAR, VARCHAR, VARCHAR,
]; // prettier-ignore

/**
 * Puts events behind those that are there. By chunks: row by row costs ten times as much.
 * @param base position of the last event that is there
 */
export async function appendEvents(
  connection: DuckDBConnection,
  events: readonly StoredEvent[],
  base: number,
): Promise<void> {
  const appender = await connection.createAppender('events');
  for (let from = 0; from < events.length; from += CHUNK_ROWS) {
    appender.appendDataChunk(chunkOf(events.slice(from, from + CHUNK_ROWS), base + from + 1));
  }
  appender.closeSync();
}

function chunkOf(events: readonly StoredEvent[], firstPosition: number): DuckDBDataChunk {
  const chunk = DuckDBDataChunk.create(EVENT_TYPES, events.length);
  chunk.setColumns([
    events.map((_, index) => BigInt(firstPosition + index)),
    events.map((event) => event.stream),
    events.map((event) => BigInt(event.revision)),
    events.map((event) => event.id),
    events.map((event) => event.type),
    events.map((event) => BigInt(event.schemaVersion)),
    events.map((event) => timestamp(event.occurredAt)),
    events.map((event) => timestamp(event.recordedAt)),
    events.map((event) => event.predictor),
    events.map((event) => event.causationId),
    events.map((event) => event.traceparent),
    events.map((event) => event.payload),
  ]);
  return chunk;
}

/** A time in milliseconds as DuckDB's TIMESTAMPTZ. */
export function timestamp(millis: number): DuckDBTimestampTZValue {
  return new DuckDBTimestampTZValue(BigInt(millis) * 1000n);
}

/** Runs a statement; numbers come back as numbers, times as milliseconds. */
export async function rows<Row>(
  connection: DuckDBConnection,
  statement: string,
  parameters: Record<string, DuckDBValue> = {},
): Promise<Row[]> {
  const { values, types } = bound(parameters);
  const reader = await connection.runAndReadAll(statement, values, types);
  return reader.getRowObjectsJS().map((row) => plainValue(row) as Row);
}

/** Whole numbers go in as BIGINT, which DuckDB's own choice of a type would not be. */
function bound(parameters: Record<string, DuckDBValue>) {
  const values: Record<string, DuckDBValue> = {};
  const types: Record<string, DuckDBType> = {};
  for (const [name, value] of Object.entries(parameters)) {
    const isWhole = typeof value === 'number' && Number.isSafeInteger(value);
    values[name] = isWhole ? BigInt(value) : value;
    if (isWhole) types[name] = BIGINT;
  }
  return { values, types };
}

/** Numbers as numbers, times as milliseconds, all the way down. */
function plainValue(value: JS | Record<string, JS>): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Date) return value.getTime();
  if (Array.isArray(value)) return value.map(plainValue);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plainValue(field)]));
  }
  return value;
}
