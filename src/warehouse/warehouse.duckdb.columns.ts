/** Events on their way to the worker, column by column: cloning thousands of objects would hold up every request. */
import type { StoredEvent } from '../event/envelope.js';

const COLUMNS = [
  'stream',
  'revision',
  'id',
  'type',
  'schemaVersion',
  'occurredAt',
  'recordedAt',
  'predictor',
  'causationId',
  'traceparent',
  'payload',
] as const;

type Column = (typeof COLUMNS)[number];

export type EventColumns = { [C in Column]: StoredEvent[C][] };

export function toColumns(events: readonly StoredEvent[]): EventColumns {
  const columns = COLUMNS.map((column) => [column, events.map((event) => event[column])]);
  return Object.fromEntries(columns) as EventColumns;
}

/** The events at these places, which ascend; the columns themselves when that is all of them. */
export function pick(columns: EventColumns, places: readonly number[]): EventColumns {
  if (places.length === columns.id.length) return columns;
  const picked = COLUMNS.map((column) => [column, places.map((place) => columns[column][place])]);
  return Object.fromEntries(picked) as EventColumns;
}

/** The least of a column; spreading thousands of values into Math.min would overflow the stack. */
export function least(column: readonly number[]): number {
  return column.reduce((found, value) => Math.min(found, value), Infinity);
}

export function greatest(column: readonly number[]): number {
  return column.reduce((found, value) => Math.max(found, value), -Infinity);
}

/** What tells an event from all others. */
export function keyOf(stream: string, revision: number): string {
  return `${revision} ${stream}`;
}
