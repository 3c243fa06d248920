/** Tables and views of the BigQuery dataset, as SQL. Nothing here is sent by itself: see the migrations. */
import type { ColumnType, Layout, Literal, StorageDialect } from './warehouse.bigquery.dialect.js';
import type { Derivation, Projection, View } from './warehouse.js';

/** A statement of this adapter. */
export type StorageStatement = (sql: StorageDialect) => string;

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly isRequired: boolean;
}

const column = (name: string, type: ColumnType): Column => ({ name, type, isRequired: true });
const optional = (name: string, type: ColumnType): Column => ({ name, type, isRequired: false });

/**
 * The log as it is. `payload` is NULL where BigQuery could not read it; `payload_digest` is that of the bytes
 * that were accepted, since JSON does not keep them.
 */
export const EVENT_COLUMNS: readonly Column[] = [
  column('position', 'integer'),
  column('stream', 'text'),
  column('revision', 'integer'),
  column('event_id', 'text'),
  column('type', 'text'),
  column('schema_version', 'integer'),
  column('occurred_at', 'timestamp'),
  column('recorded_at', 'timestamp'),
  optional('predictor', 'text'),
  optional('causation_id', 'text'),
  optional('traceparent', 'text'),
  optional('payload', 'json'),
  column('payload_digest', 'integer'),
];

/**
 * How far the projection is: a row is added behind each step, and the one with the greatest ordinal holds.
 * `warehouse.bigquery.progress.ts` says what each column means.
 */
export const PROGRESS_COLUMNS: readonly Column[] = [
  column('ordinal', 'integer'),
  column('incarnation', 'text'),
  optional('checkpoint', 'text'),
  column('position', 'integer'),
  column('events', 'integer'),
  optional('recorded_at', 'timestamp'),
  column('generation', 'integer'),
  column('sealed_to', 'integer'),
  column('sealed_at', 'timestamp'),
  column('tail_from', 'timestamp'),
  optional('sealing_to', 'integer'),
  optional('sealing_from', 'timestamp'),
];

/** By day: hours would reach the limit of partitions after 14 months, and a load job's after half a year. */
const EVENTS_LAYOUT: Layout = {
  partition: { column: 'recorded_at', by: 'DAY' },
  sortedBy: ['type', 'position'],
  requiresFilter: true,
};

export const createMigrations: StorageStatement = (sql) => `
CREATE TABLE IF NOT EXISTS ${sql.table('schema_migrations')} (
  name ${sql.columnType('text')} NOT NULL,
  applied_at ${sql.columnType('timestamp')} NOT NULL
)`;

export const createEvents = createTable('events', EVENT_COLUMNS, EVENTS_LAYOUT);

export const createProgress = createTable('assay_projection', PROGRESS_COLUMNS, {});

function createTable(name: string, columns: readonly Column[], layout: Layout): StorageStatement {
  return (sql) =>
    `
CREATE TABLE IF NOT EXISTS ${sql.table(name)} (
  ${columns.map(({ name, type, isRequired }) => `${name} ${sql.columnType(type)}${isRequired ? ' NOT NULL' : ''}`).join(',\n  ')}
)
${sql.layout(layout)}`.trimEnd();
}

/** The first row of progress. Parameters: incarnation, now (milliseconds). */
export const beginProgress: StorageStatement = (sql) => `
INSERT INTO ${sql.table('assay_projection')}
  (ordinal, incarnation, position, events, generation, sealed_to, sealed_at, tail_from)
SELECT 0, ${sql.param('incarnation')}, 0, 0, 1, 0, ${sql.fromMillis(sql.param('now'))}, ${sql.fromMillis('0')}
FROM (SELECT 1 AS one) AS o
WHERE NOT EXISTS (SELECT 1 FROM ${sql.table('assay_projection')} AS p)`;

/** Beginning of time, for statements that want every event. */
export const EVER = '1970-01-01T00:00:00.000Z';

/** Name of the table that keeps derived rows, in a generation. */
export function sealedTable(name: string, generation: Literal): string {
  return `${name}_sealed_${generation}`;
}

/**
 * A table of derived rows with those of all events up to a position. By month: a single prediction of the
 * year 1900 must not use up the partitions that there may be.
 */
export function createSealed(derivation: Derivation, generation: Literal, upTo: Literal): StorageStatement {
  const { name, dayColumn, sortedBy, select } = derivation;
  return (sql) => `
CREATE TABLE IF NOT EXISTS ${sql.table(sealedTable(name, generation))}
${sql.layout({ partition: { column: dayColumn, by: 'MONTH' }, sortedBy })}
AS ${select({ after: '0', upTo: String(upTo), recordedFrom: sql.moment(EVER), streamsFrom: sql.moment(EVER) })(sql).trim()}`;
}

/** Where the rows of the events lie: up to `sealedTo` in the tables of a generation, the rest is derived. */
export interface Seal {
  generation: Literal;
  sealedTo: Literal;
  /** The events behind it were recorded at this moment or later, */
  tailFrom: Literal;
  /** and those of their streams are looked for from this one on. */
  streamsFrom: Literal;
}

/**
 * The rows that people see. Both branches are bounded by the same literal, so that rows which are being sealed
 * are seen once at every moment, and so that only the newest partitions of `events` are read.
 */
export function derivedRows({ name, select }: Derivation, seal: Seal): StorageStatement {
  const { generation, sealedTo, tailFrom, streamsFrom } = seal;
  return (sql) => `
SELECT * FROM ${sql.table(sealedTable(name, generation))} WHERE position <= ${sealedTo}
UNION ALL
${select({ after: String(sealedTo), recordedFrom: sql.moment(tailFrom), streamsFrom: sql.moment(streamsFrom) })(sql).trim()}`;
}

/** A view of its own name; `select` is what the service compares with the view that is there. */
export interface NamedView {
  readonly name: string;
  readonly select: StorageStatement;
}

/** All views, each after those it uses. */
export function viewsOf({ derivations, views }: Projection, seal: Seal): NamedView[] {
  return [
    ...derivations.map((derivation) => ({ name: derivation.name, select: derivedRows(derivation, seal) })),
    ...views.map(({ name, select }: View) => ({ name, select })),
  ];
}

export function createView({ name, select }: NamedView): StorageStatement {
  return (sql) => `CREATE OR REPLACE VIEW ${sql.table(name)} AS\n${select(sql).trim()}`;
}
