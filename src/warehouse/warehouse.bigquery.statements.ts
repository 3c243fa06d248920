/**
 * Every statement that the BigQuery adapter sends beside those of its schema, and the list of all of them.
 * Pure: functions of a dialect and of what is written into the text.
 */
import { eventBucketsOf } from './digest.js';
import type { Literal } from './warehouse.bigquery.dialect.js';
import {
  beginProgress,
  type Column,
  createEvents,
  createMigrations,
  createProgress,
  createSealed,
  createView,
  derivedRows,
  EVER,
  PROGRESS_COLUMNS,
  type Seal,
  sealedTable,
  type StorageStatement,
  viewsOf,
} from './warehouse.bigquery.schema.js';
import type { Derivation, Projection } from './warehouse.js';

/** Names of the migrations that were run. */
export const migrationsRun: StorageStatement = (sql) =>
  `SELECT name FROM ${sql.table('schema_migrations')} ORDER BY name`;

/** Parameters: name, now (milliseconds). */
export const migrationDone: StorageStatement = (sql) => `
INSERT INTO ${sql.table('schema_migrations')} (name, applied_at)
VALUES (${sql.param('name')}, ${sql.fromMillis(sql.param('now'))})`;

/** The row of progress that holds. */
export const latestProgress: StorageStatement = (sql) => `
SELECT ${PROGRESS_COLUMNS.map(({ name }) => name).join(', ')} FROM ${sql.table('assay_projection')}
ORDER BY ordinal DESC, position DESC, incarnation
LIMIT 1`;

/** Rows of progress that hold no more. Parameter: ordinal. */
export const forgetProgress: StorageStatement = (sql) =>
  `DELETE FROM ${sql.table('assay_projection')} WHERE ordinal < ${sql.param('ordinal')}`;

/**
 * Keys of the acknowledged events that were recorded in a stretch of time. A redelivered event was recorded at
 * the same moment as the first time. Parameters: from, to (milliseconds), position.
 */
export const keysBetween: StorageStatement = (sql) => `
SELECT stream, revision FROM ${sql.table('events')}
WHERE recorded_at >= ${sql.fromMillis(sql.param('from'))} AND recorded_at <= ${sql.fromMillis(sql.param('to'))}
  AND position <= ${sql.param('position')}
GROUP BY stream, revision`;

/** Events up to a position, each once. Parameter: position. */
const eventsOnce: StorageStatement = (sql) => `(
    SELECT * FROM ${sql.table('events')}
    WHERE recorded_at >= ${sql.moment(EVER)} AND position <= ${sql.param('position')}
    ${sql.eachOnce('stream, revision', 'position')}
  ) AS once`;

/** Count and checksum an hour. Parameter: position. */
export const inventory: StorageStatement = (sql) => eventBucketsOf(sql, eventsOnce(sql));

/** How many events there are, and the time of the youngest. Parameter: position. */
export const countEvents: StorageStatement = (sql) => `
SELECT COUNT(*) AS events, MAX(recorded_at) AS recordedAt
FROM ${eventsOnce(sql)}`;

/** Rows of derived tables that were to be sealed and have to be written afresh. */
export function unseal({ name }: Derivation, generation: Literal, after: Literal): StorageStatement {
  return (sql) => `DELETE FROM ${sql.table(sealedTable(name, generation))} WHERE position > ${after}`;
}

export interface SealedRange extends Seal {
  /** `sealedTo` is where it starts, this is where it ends. */
  upTo: Literal;
}

/** Writes the rows of the events in (sealedTo, upTo] to the table of a generation. */
export function sealRows({ name, select }: Derivation, range: SealedRange): StorageStatement {
  const { generation, sealedTo, upTo, tailFrom, streamsFrom } = range;
  return (sql) => `
INSERT INTO ${sql.table(sealedTable(name, generation))}
${select({
  after: String(sealedTo),
  upTo: String(upTo),
  recordedFrom: sql.moment(tailFrom),
  streamsFrom: sql.moment(streamsFrom),
})(sql).trim()}`;
}

/** A column that a derived table did not have before; last, as in the derivation. */
export function addColumn({ name }: Derivation, generation: Literal, { name: column, type }: Column) {
  const statement: StorageStatement = (sql) =>
    `ALTER TABLE ${sql.table(sealedTable(name, generation))} ADD COLUMN IF NOT EXISTS ${column} ${sql.columnType(type)}`;
  return statement;
}

/**
 * The values of a column that was added, for the rows that were there before it.
 * @param key column of which every value is there once
 */
export function fillColumn({ name, select }: Derivation, generation: Literal, key: string, column: string) {
  const statement: StorageStatement = (sql) => `
UPDATE ${sql.table(sealedTable(name, generation))} AS old
SET ${column} = derived.${column}
FROM (${select({ after: '0', recordedFrom: sql.moment(EVER), streamsFrom: sql.moment(EVER) })(sql)}
) AS derived
WHERE derived.${key} = old.${key} AND derived.${column} IS NOT NULL`;
  return statement;
}

export function dropSealed({ name }: Derivation, generation: Literal): StorageStatement {
  return (sql) => `DROP TABLE IF EXISTS ${sql.table(sealedTable(name, generation))}`;
}

/** What release 0002 of the dataset brings: see the migrations. */
export const METADATA: Column = { name: 'metadata', type: 'json', isRequired: false };

/** Days for which the tables of the generation before are kept. */
const KEPT_DAYS = 7;

export function expireSealed({ name }: Derivation, generation: Literal): StorageStatement {
  return (sql) => sql.expire(sealedTable(name, generation), KEPT_DAYS);
}

/** Rows and checksum per day of what people see, up to a position. */
export function daysSeen(derivation: Derivation, seal: Seal, upTo: Literal): StorageStatement {
  return days(derivation, (sql) => `(\n${derivedRows(derivation, seal)(sql).trim()}\n)`, upTo);
}

/** The same of the table of another generation. */
export function daysDerived(derivation: Derivation, generation: Literal, upTo: Literal): StorageStatement {
  return days(derivation, (sql) => sql.table(sealedTable(derivation.name, generation)), upTo);
}

function days({ dayColumn }: Derivation, rows: StorageStatement, upTo: Literal): StorageStatement {
  return (sql) => `
SELECT ${sql.day(dayColumn)} AS day, COUNT(*) AS n, ${sql.rowsChecksum('t')} AS checksum
FROM ${rows(sql)} AS t
WHERE position <= ${upTo}
GROUP BY 1
ORDER BY 1`;
}

const inHour: StorageStatement = (sql) =>
  `recorded_at >= ${sql.fromMillis(sql.param('from'))} AND recorded_at < ${sql.fromMillis(sql.param('to'))} ` +
  `AND position <= ${sql.param('position')}`;

/** Parameters: from, to (milliseconds), position. */
export const forgetHour: StorageStatement = (sql) =>
  `DELETE FROM ${sql.table('events')} WHERE ${inHour(sql)}`;

/** The same parameters. */
export function forgetSealedHour({ name }: Derivation, generation: Literal): StorageStatement {
  return (sql) => `DELETE FROM ${sql.table(sealedTable(name, generation))} WHERE ${inHour(sql)}`;
}

export const clearEvents: StorageStatement = (sql) =>
  `DELETE FROM ${sql.table('events')} WHERE recorded_at >= ${sql.moment(EVER)}`;

export type ParameterType = 'STRING' | 'INT64';

/** A statement under a name. */
export interface ListedStatement {
  name: string;
  statement: StorageStatement;
  parameters: Record<string, ParameterType>;
}

/** What is written into the text of statements; any text that can stand there, to look at the statements. */
export interface Literals {
  generation: Literal;
  next: Literal;
  sealedTo: Literal;
  upTo: Literal;
  tailFrom: Literal;
  streamsFrom: Literal;
}

const BOUNDS = { from: 'INT64', to: 'INT64', position: 'INT64' } as const;

/**
 * Every statement that the adapter can send but for the questions that others ask through `query`, in an order
 * in which each finds the tables and views it needs.
 */
export function adapterStatements(projection: Projection, literals: Literals): ListedStatement[] {
  const { generation, next, sealedTo, upTo, tailFrom, streamsFrom } = literals;
  const seal = { generation, sealedTo, tailFrom, streamsFrom };
  const each = (kind: string, write: (derivation: Derivation) => StorageStatement) =>
    projection.derivations.map((derivation) => listed(`${kind}-${derivation.name}`, write(derivation)));
  return [
    listed('create-migrations', createMigrations),
    listed('create-events', createEvents),
    listed('create-progress', createProgress),
    listed('begin-progress', beginProgress, { incarnation: 'STRING', now: 'INT64' }),
    ...each('create-sealed', (derivation) => createSealed(derivation, 1, 0)),
    ...each('derive-generation', (derivation) => createSealed(derivation, next, upTo)),
    ...viewsOf(projection, seal).map((view) => listed(`create-view-${view.name}`, createView(view))),
    ...projection.derivations
      .filter(({ name }) => name === 'predictions')
      .flatMap((derivation) => [
        listed('add-metadata', addColumn(derivation, generation, METADATA)),
        listed('fill-metadata', fillColumn(derivation, generation, 'prediction_id', METADATA.name)),
      ]),
    listed('migrations-run', migrationsRun),
    listed('migration-done', migrationDone, { name: 'STRING', now: 'INT64' }),
    listed('latest-progress', latestProgress),
    listed('forget-progress', forgetProgress, { ordinal: 'INT64' }),
    listed('keys-between', keysBetween, BOUNDS),
    listed('inventory', inventory, { position: 'INT64' }),
    listed('count-events', countEvents, { position: 'INT64' }),
    ...each('unseal', (derivation) => unseal(derivation, generation, sealedTo)),
    ...each('seal', (derivation) => sealRows(derivation, { ...seal, upTo })),
    ...each('days-seen', (derivation) => daysSeen(derivation, seal, upTo)),
    ...each('days-derived', (derivation) => daysDerived(derivation, next, upTo)),
    listed('forget-hour', forgetHour, BOUNDS),
    ...each('forget-hour', (derivation) => forgetSealedHour(derivation, generation)).map((one) => ({
      ...one,
      parameters: BOUNDS,
    })),
    listed('clear-events', clearEvents),
    ...each('expire', (derivation) => expireSealed(derivation, generation)),
    ...each('drop', (derivation) => dropSealed(derivation, next)),
  ];
}

function listed(
  name: string,
  statement: StorageStatement,
  parameters: Record<string, ParameterType> = {},
): ListedStatement {
  return { name, statement, parameters };
}
