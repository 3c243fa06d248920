/** What the DuckDB file holds, as SQL that the worker runs; rendered once, from the projection. */
import { duckdb } from './sql.js';
import { eventBucketsStatement } from './digest.js';
import type { Projection } from './warehouse.js';

/** Version of the tables below; a file of a newer one is refused. */
export const FILE_VERSION = 1;

/** Positions as parameters that the worker fills in. */
export const AFTER = '$after';
export const UP_TO = '$upTo';

export interface DerivedTable {
  name: string;
  /** SELECT of the rows of events between AFTER and UP_TO. */
  select: string;
  /** Rows and checksum per day, of the table named `{table}` up to UP_TO. */
  days: string;
}

export interface FileSchema {
  derived: DerivedTable[];
  /** CREATE statements of the views, in the order of their dependence. */
  views: string[];
  inventory: string;
}

export const CREATE_TABLES = [
  `CREATE TABLE assay_projection (
    file_version BIGINT NOT NULL, checkpoint VARCHAR, position BIGINT NOT NULL, events BIGINT NOT NULL,
    recorded_at TIMESTAMPTZ)`,
  `INSERT INTO assay_projection VALUES (${FILE_VERSION}, NULL, 0, 0, NULL)`,
  `CREATE TABLE events (
    position BIGINT NOT NULL, stream VARCHAR NOT NULL, revision BIGINT NOT NULL, event_id VARCHAR NOT NULL,
    type VARCHAR NOT NULL, schema_version BIGINT NOT NULL, occurred_at TIMESTAMPTZ NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL, predictor VARCHAR, causation_id VARCHAR, traceparent VARCHAR,
    payload VARCHAR NOT NULL)`,
];

/** Where events wait for the check against those that are there already. Times are milliseconds here. */
export const CREATE_INCOMING = `CREATE OR REPLACE TEMP TABLE incoming (
    ordinal INTEGER, stream VARCHAR, revision INTEGER, event_id VARCHAR, type VARCHAR, schema_version INTEGER,
    occurred_at DOUBLE, recorded_at DOUBLE, predictor VARCHAR, causation_id VARCHAR, traceparent VARCHAR,
    payload VARCHAR)`;

/**
 * A redelivered event was recorded at the same moment as the first time, so only that stretch of time is
 * searched for it.
 */
export const TAKE_INCOMING = `
INSERT INTO events
SELECT $base + ordinal + 1, stream, revision, event_id, type, schema_version,
  ${duckdb.fromMillis('occurred_at')}, ${duckdb.fromMillis('recorded_at')},
  predictor, causation_id, traceparent, payload
FROM temp.incoming AS i
WHERE NOT EXISTS (
  SELECT 1 FROM events AS e
  WHERE e.recorded_at >= ${duckdb.fromMillis('$from')} AND e.recorded_at <= ${duckdb.fromMillis('$to')}
    AND e.stream = i.stream AND e.revision = i.revision)`;

export function fileSchema(projection: Projection): FileSchema {
  const sealedUpTo = '(SELECT position FROM assay_projection)';
  const publicViews = projection.derivations.map(
    ({ name, select }) => `CREATE OR REPLACE VIEW ${name} AS
SELECT * FROM ${name}_sealed WHERE position <= ${sealedUpTo}
UNION ALL${select({ after: sealedUpTo })(duckdb)}`,
  );
  const questions = projection.views.map(
    ({ name, select }) => `CREATE OR REPLACE VIEW ${name} AS${select(duckdb)}`,
  );
  return {
    derived: projection.derivations.map(({ name, dayColumn, select }) => ({
      name,
      select: select({ after: AFTER, upTo: UP_TO })(duckdb),
      days: `
SELECT ${duckdb.day(dayColumn)} AS day, COUNT(*) AS rows, ${duckdb.rowsChecksum('t')} AS checksum
FROM {table} AS t WHERE position <= ${UP_TO} GROUP BY 1 ORDER BY 1`,
    })),
    views: [...publicViews, ...questions],
    inventory: eventBucketsStatement(duckdb),
  };
}
