/** Questions about the quality of a predictor's versions, each one statement over the outcomes. */
import type { Statement, Warehouse } from '../warehouse/warehouse.js';

/** Counts over a stretch of prediction time. */
export interface QualityCounts {
  version: string;
  /** Predictions, failed ones included. */
  predictions: number;
  /** Those whose last correction stands. */
  labelled: number;
  /** Labelled and right with the first candidate, within the first three, within the first five. */
  correct: number;
  top3: number;
  top5: number;
  /** Sum of 1 / (rank + 1) over the labelled; what was missed adds nothing. */
  reciprocalRanks: number;
  /** Failed predictions. */
  errors: number;
  /** Quantiles of the known latencies, milliseconds; null when none is known. */
  latencyP50: number | null;
  latencyP95: number | null;
}

export interface QualityPoint extends QualityCounts {
  /** Start of the UTC hour or day, milliseconds. */
  start: number;
}

export interface QualityRequest {
  predictor: string;
  /** Prediction times from (inclusive) and to (exclusive), milliseconds. */
  from: number;
  to: number;
  /** Only this version. */
  version?: string;
}

/** Per version and hour or day, in order of time; intervals without predictions have no row. */
export function readSeries(
  warehouse: Warehouse,
  request: QualityRequest & { interval: 'hour' | 'day' },
): Promise<QualityPoint[]> {
  const { interval, ...rest } = request;
  return warehouse.query(seriesStatement(interval, rest.version !== undefined), parametersOf(rest));
}

/** Per version over the whole stretch of time, in order of version. */
export function readTotals(warehouse: Warehouse, request: QualityRequest): Promise<QualityCounts[]> {
  return warehouse.query(totalsStatement(request.version !== undefined), parametersOf(request));
}

/** Parameters: predictor, from and to in milliseconds, and version if only one is asked for. */
export function seriesStatement(interval: 'hour' | 'day', oneVersion: boolean): Statement {
  return (sql) => `
SELECT version, ${sql.toMillis(sql.truncate(interval, 'predicted_at'))} AS start,${counts(sql)}${asked(oneVersion)(sql)}
GROUP BY 1, 2
ORDER BY 2, 1`;
}

/** The same parameters. */
export function totalsStatement(oneVersion: boolean): Statement {
  return (sql) => `
SELECT version,${counts(sql)}${asked(oneVersion)(sql)}
GROUP BY 1
ORDER BY 1`;
}

const counts: Statement = (sql) => `
  COUNT(*) AS predictions, ${sql.countIf('outcome IS NOT NULL')} AS labelled, ${sql.countIf("outcome = 'right'")} AS correct,
  ${sql.countIf('truth_rank < 3')} AS top3, ${sql.countIf('truth_rank < 5')} AS top5,
  SUM(COALESCE(1 / (truth_rank + 1), 0)) AS reciprocalRanks, ${sql.countIf("status = 'failed'")} AS errors,
  ${sql.quantile('latency_ms', 0.5)} AS latencyP50, ${sql.quantile('latency_ms', 0.95)} AS latencyP95`;

const asked =
  (oneVersion: boolean): Statement =>
  (sql) => `
FROM ${sql.table('prediction_outcomes')} AS o
WHERE predictor = ${sql.param('predictor')}${oneVersion ? ` AND version = ${sql.param('version')}` : ''}
  AND predicted_at >= ${sql.fromMillis(sql.param('from'))} AND predicted_at < ${sql.fromMillis(sql.param('to'))}`;

function parametersOf({ predictor, from, to, version }: QualityRequest) {
  return { predictor, from, to, ...(version === undefined ? {} : { version }) };
}
