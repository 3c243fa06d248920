/** Rows on their way into DuckDB and out of it. */
import {
  DOUBLE,
  type DuckDBConnection,
  DuckDBDataChunk,
  type DuckDBValue,
  INTEGER,
  type JS,
  VARCHAR,
} from '@duckdb/node-api';
import type { StoredEvent } from '../event/envelope.js';
import type { Parameters } from './warehouse.js';

/** As many rows as a chunk of DuckDB holds. */
const CHUNK_ROWS = 2048;

const INCOMING_TYPES = [
  INTEGER, VARCHAR, INTEGER, VARCHAR, VARCHAR, INTEGER, DOUBLE, DOUBLE, VARCHAR, VARCHAR, VARCHAR, VARCHAR,
]; // prettier-ignore

/** Fills the temporary table `incoming`. By chunks: row by row costs ten times as much. */
export async function fillIncoming(connection: DuckDBConnection, events: StoredEvent[]): Promise<void> {
  const appender = await connection.createAppender('incoming', 'main', 'temp');
  for (let from = 0; from < events.length; from += CHUNK_ROWS) {
    appender.appendDataChunk(chunkOf(events.slice(from, from + CHUNK_ROWS), from));
  }
  appender.closeSync();
}

function chunkOf(events: StoredEvent[], firstOrdinal: number): DuckDBDataChunk {
  const chunk = DuckDBDataChunk.create(INCOMING_TYPES, events.length);
  chunk.setColumns([
    events.map((_, index) => firstOrdinal + index),
    events.map((event) => event.stream),
    events.map((event) => event.revision),
    events.map((event) => event.id),
    events.map((event) => event.type),
    events.map((event) => event.schemaVersion),
    events.map((event) => event.occurredAt),
    events.map((event) => event.recordedAt),
    events.map((event) => event.predictor),
    events.map((event) => event.causationId),
    events.map((event) => event.traceparent),
    events.map((event) => event.payload),
  ]);
  return chunk;
}

/** Runs a statement; numbers come back as numbers, times as milliseconds. */
export async function rows<Row>(
  connection: DuckDBConnection,
  statement: string,
  parameters: Parameters = {},
): Promise<Row[]> {
  const reader = await connection.runAndReadAll(statement, bound(parameters));
  return reader.getRowObjectsJS().map((row) => plainValue(row) as Row);
}

function bound(parameters: Parameters): Record<string, DuckDBValue> {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [
      name,
      typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value,
    ]),
  );
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
