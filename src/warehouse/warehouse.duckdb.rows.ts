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
import type { EventColumns } from './warehouse.duckdb.columns.js';

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
  events: EventColumns,
  base: number,
): Promise<void> {
  const appender = await connection.createAppender('events');
  for (let from = 0; from < events.id.length; from += CHUNK_ROWS) {
    appender.appendDataChunk(chunkOf(events, from, base));
  }
  appender.closeSync();
}

function chunkOf(events: EventColumns, from: number, base: number): DuckDBDataChunk {
  const to = Math.min(from + CHUNK_ROWS, events.id.length);
  const part = <T>(column: T[]): T[] => (to - from === column.length ? column : column.slice(from, to));
  const chunk = DuckDBDataChunk.create(EVENT_TYPES, to - from);
  chunk.setColumns([
    Array.from({ length: to - from }, (_, index) => BigInt(base + from + index + 1)),
    part(events.stream),
    part(events.revision).map(BigInt),
    part(events.id),
    part(events.type),
    part(events.schemaVersion).map(BigInt),
    part(events.occurredAt).map(timestamp),
    part(events.recordedAt).map(timestamp),
    part(events.predictor),
    part(events.causationId),
    part(events.traceparent),
    part(events.payload),
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
