/** What the DuckDB file holds, as SQL that the worker runs; rendered once, from the projection. */
import { duckdb } from './sql.js';
import { eventBucketsStatement } from './digest.js';
import type { Projection } from './warehouse.js';

/**
 * Version of the tables below and of what is derived; a file of a newer one is refused, and in one of an older one
 * everything is derived anew. 2: predictions with their metadata; 3: shadows.
 */
export const FILE_VERSION = 3;

/** Positions as parameters that the worker fills in. */
export const AFTER = '$after';
export const UP_TO = '$upTo';

export interface DerivedTable {
  name: string;
  /** Types of the events it is derived from. */
  types: readonly string[];
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

/**
 * Keys of the events that were recorded between `from` and `to`. A redelivered event was recorded
 * at the same moment as the first time, so only that stretch of time is searched for it.
 */
export const KEYS_BETWEEN = `
SELECT stream, revision FROM events
WHERE recorded_at >= $from AND recorded_at <= $to`;

export function fileSchema(projection: Projection): FileSchema {
  // Sealed with every append, so that there is never a tail to add; adding an empty one costs as much again.
  const publicViews = projection.derivations.map(
    ({ name }) => `CREATE OR REPLACE VIEW ${name} AS SELECT * FROM ${name}_sealed`,
  );
  const questions = projection.views.map(
    ({ name, select }) => `CREATE OR REPLACE VIEW ${name} AS${select(duckdb)}`,
  );
  return {
    derived: projection.derivations.map(({ name, types, dayColumn, select }) => ({
      name,
      types,
      select: select({ after: AFTER, upTo: UP_TO })(duckdb),
      days: `
SELECT ${duckdb.day(dayColumn)} AS day, COUNT(*) AS rows, ${duckdb.rowsChecksum('t')} AS checksum
FROM {table} AS t WHERE position <= ${UP_TO} GROUP BY 1 ORDER BY 1`,
    })),
    views: [...publicViews, ...questions],
    inventory: eventBucketsStatement(duckdb),
  };
}
