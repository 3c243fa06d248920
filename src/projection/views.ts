/**
 * The views that people and dashboards query, over `predictions` and `corrections`. The outcome here and
 * `outcomeOf` in event/prediction.ts say the same; a property test holds them together.
 */
import { labelsStatement, rankGiven } from '../warehouse/labels.js';
import type { Projection, Statement, View } from '../warehouse/warehouse.js';
import { corrections, deployments, predictions, shadows } from './derivations.js';

const DERIVATIONS = [predictions, corrections, shadows, deployments];

const predictionOutcomes: Statement = (sql) => `
SELECT prediction_id, predictor, version, subject, predicted_at, recorded_at, status, error_kind, label,
  confidence, candidates, latency_ms, pinned, corrections,
  CASE WHEN last_at IS NULL THEN NULL WHEN truth_rank = 0 THEN 'right' WHEN truth_rank > 0 THEN 'ranked'
    ELSE 'missed' END AS outcome,
  truth_rank, IF(truth_rank IS NULL, last_given_label, ${sql.at('candidates', 'truth_rank', 'label')}) AS true_label,
  last_at AS labelled_at, first_rank, first_at
FROM (
  SELECT p.prediction_id, p.predictor, p.version, p.subject, p.predicted_at, p.recorded_at, p.status,
    p.error_kind, p.label, p.confidence, p.candidates, p.latency_ms, p.pinned,
    COALESCE(c.corrections, 0) AS corrections, c.last_at, c.first_at, c.last_given_label,
    ${rankGiven('c.last_given_rank', 'c.last_given_label', 'p.candidates')(sql)} AS truth_rank,
    ${rankGiven('c.first_given_rank', 'c.first_given_label', 'p.candidates')(sql)} AS first_rank
  FROM ${sql.table('predictions')} AS p
  LEFT JOIN ${sql.table('labels')} AS c ON c.prediction_id = p.prediction_id
) AS o`;

const accuracy =
  (unit: 'hour' | 'day'): Statement =>
  (sql) => `
SELECT predictor, version, ${unit}, predictions, labelled, correct, ranked, missed, top3, top5, errors,
  ${sql.safeDivide('correct', 'labelled')} AS accuracy, ${sql.safeDivide('labelled', 'predictions')} AS coverage
FROM (
  SELECT predictor, version, ${sql.truncate(unit, 'predicted_at')} AS ${unit}, COUNT(*) AS predictions,
    ${sql.countIf('outcome IS NOT NULL')} AS labelled, ${sql.countIf("outcome = 'right'")} AS correct,
    ${sql.countIf("outcome = 'ranked'")} AS ranked, ${sql.countIf("outcome = 'missed'")} AS missed,
    ${sql.countIf('truth_rank < 3')} AS top3, ${sql.countIf('truth_rank < 5')} AS top5,
    ${sql.countIf("status = 'failed'")} AS errors
  FROM ${sql.table('prediction_outcomes')}
  GROUP BY 1, 2, 3
) AS a`;

/** How much of what was predicted has been judged, whatever the judgement. */
const coverage: Statement = (sql) => `
SELECT predictor, version, day, predictions, labelled, coverage FROM ${sql.table('accuracy_daily')} AS a`;

const unreadableEvents: Statement = (sql) =>
  `
SELECT stream, revision, event_id, type, recorded_at, position FROM ${sql.table('events')} AS e
WHERE recorded_at >= ${sql.fromMillis('0')} AND type IN (${DERIVATIONS.flatMap(({ types }) => types.map((type) => `'${type}'`)).join(', ')})
  AND NOT (${sql.isReadable('payload')})
${sql.eachOnce('stream, revision', 'position')}`.trimEnd();

export const VIEWS: readonly View[] = [
  { name: 'labels', select: labelsStatement() },
  { name: 'prediction_outcomes', select: predictionOutcomes },
  { name: 'accuracy_hourly', select: accuracy('hour') },
  { name: 'accuracy_daily', select: accuracy('day') },
  { name: 'coverage', select: coverage },
  { name: 'unreadable_events', select: unreadableEvents },
];

/** Everything that is derived from the events; given to the warehouse when it is opened. */
export const PROJECTION: Projection = { derivations: DERIVATIONS, views: VIEWS };
