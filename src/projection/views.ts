/**
 * The views that people and dashboards query, over `predictions` and `corrections`. The outcome here and
 * `outcomeOf` in event/prediction.ts say the same; a property test holds them together.
 */
import type { Statement, View } from '../warehouse/warehouse.js';
import { corrections, deployments, DERIVED_TYPES, predictions } from './derivations.js';
import type { Projection } from '../warehouse/warehouse.js';

/** First and last correction of each prediction that was not retracted, before or after it was made. */
const labels: Statement = (sql) => {
  const given = sql.struct({
    given_at: 'c.corrected_at',
    given_rank: 'c.rank',
    given_label: 'c.label',
  });
  return `
SELECT prediction_id, corrections,
  f.given_at AS first_at, f.given_rank AS first_given_rank, f.given_label AS first_given_label,
  l.given_at AS last_at, l.given_rank AS last_given_rank, l.given_label AS last_given_label
FROM (
  SELECT c.prediction_id, COUNT(*) AS corrections,
    ${sql.firstBy(given, 'c.corrected_at, c.revision')} AS f,
    ${sql.firstBy(given, 'c.corrected_at DESC, c.revision DESC')} AS l
  FROM ${sql.table('corrections')} AS c
  LEFT JOIN (
    SELECT DISTINCT prediction_id, correction_id FROM ${sql.table('corrections')} WHERE kind = 'retracted'
  ) AS r ON r.prediction_id = c.prediction_id AND r.correction_id = c.correction_id
  WHERE c.kind = 'corrected' AND r.correction_id IS NULL
  GROUP BY c.prediction_id
) AS g`;
};

/** What a correction points at: its rank, if there is such a candidate, else the first one with its label. */
const rankGiven = (rank: string, label: string): Statement => {
  return (sql) =>
    `IF(${rank} IS NOT NULL, IF(${rank} < ${sql.length('p.candidates')}, ${rank}, NULL), ` +
    `${sql.rankOf('p.candidates', label)})`;
};

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
    ${rankGiven('c.last_given_rank', 'c.last_given_label')(sql)} AS truth_rank,
    ${rankGiven('c.first_given_rank', 'c.first_given_label')(sql)} AS first_rank
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
    COUNTIF(outcome IS NOT NULL) AS labelled, COUNTIF(outcome = 'right') AS correct,
    COUNTIF(outcome = 'ranked') AS ranked, COUNTIF(outcome = 'missed') AS missed,
    COUNTIF(truth_rank < 3) AS top3, COUNTIF(truth_rank < 5) AS top5, COUNTIF(status = 'failed') AS errors
  FROM ${sql.table('prediction_outcomes')}
  GROUP BY 1, 2, 3
) AS a`;

/** How much of what was predicted has been judged, whatever the judgement. */
const coverage: Statement = (sql) => `
SELECT predictor, version, day, predictions, labelled, coverage FROM ${sql.table('accuracy_daily')} AS a`;

const unreadableEvents: Statement = (sql) => `
SELECT stream, revision, event_id, type, recorded_at, position FROM ${sql.table('events')} AS e
WHERE type IN (${DERIVED_TYPES}) AND NOT (${sql.isReadable('payload')})`;

export const VIEWS: readonly View[] = [
  { name: 'labels', select: labels },
  { name: 'prediction_outcomes', select: predictionOutcomes },
  { name: 'accuracy_hourly', select: accuracy('hour') },
  { name: 'accuracy_daily', select: accuracy('day') },
  { name: 'coverage', select: coverage },
  { name: 'unreadable_events', select: unreadableEvents },
];

/** Everything that is derived from the events; given to the warehouse when it is opened. */
export const PROJECTION: Projection = { derivations: [predictions, corrections, deployments], views: VIEWS };
