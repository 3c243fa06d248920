/**
 * What the judgement of a challenger looks at: predictions that both versions answered, what their first label
 * makes of the two answers, and how many subjects of a bucket fared alike.
 */
import type { ChallengerPolicy } from '../event/challenger.js';
import { labelsStatement, rankGiven } from '../warehouse/labels.js';
import type { Statement, Warehouse } from '../warehouse/warehouse.js';
import type { PairRow } from './challenger-judgement.js';

/** Which predictions are read. */
export interface PairsRequest {
  predictor: string;
  baseline: string;
  challenger: string;
  /** Since when the two are compared, milliseconds: only buckets that begin then or later are read. */
  comparedSince: number;
  policy: PairsPolicy;
}

export type PairsPolicy = Pick<ChallengerPolicy, 'rightWithin' | 'labelWindowSeconds' | 'bucketSeconds'>;

/** How far before its prediction a label or another version's answer may be dated by another clock. */
const CLOCK_SKEW_MS = 86_400_000;

/** In order of bucket; pinned predictions and those that the shown version failed at are not compared. */
export async function readPairs(warehouse: Warehouse, request: PairsRequest): Promise<PairRow[]> {
  type Row = Omit<PairRow, 'right'> & { confirmed: number };
  const rows = await warehouse.query<Row>(pairsStatement(request.policy), parametersOf(request));
  // `right` is a word of SQL.
  return rows.map(({ confirmed, ...row }) => ({ ...row, right: confirmed }));
}

/** How quick a challenger is. */
export interface ChallengerSpeed {
  /** Quantiles of its known latencies, milliseconds; null when none is known. */
  latencyP50: number | null;
  latencyP95: number | null;
}

/** Of all its answers since the two are compared, failed ones included. */
export async function readSpeed(warehouse: Warehouse, request: PairsRequest): Promise<ChallengerSpeed> {
  const { predictor, challenger, since } = parametersOf(request);
  const [speed] = await warehouse.query<ChallengerSpeed>(speedStatement, { predictor, challenger, since });
  return speed ?? { latencyP50: null, latencyP95: null };
}

function parametersOf({ predictor, baseline, challenger, comparedSince, policy }: PairsRequest) {
  const bucketMs = Math.round(policy.bucketSeconds * 1000);
  const since = Math.ceil(comparedSince / bucketMs) * bucketMs;
  return { predictor, baseline, challenger, since, skewedSince: since - CLOCK_SKEW_MS };
}

/** Parameters: predictor, challenger; since in milliseconds. */
export const speedStatement: Statement = (sql) => `
SELECT ${sql.quantile('latency_ms', 0.5)} AS latencyP50, ${sql.quantile('latency_ms', 0.95)} AS latencyP95
FROM ${sql.table('shadows')} AS s
WHERE predictor = ${sql.param('predictor')} AND version = ${sql.param('challenger')}
  AND shadowed_at >= ${sql.fromMillis(sql.param('since'))}`;

/** Parameters: predictor, baseline, challenger; since and skewedSince in milliseconds. */
export function pairsStatement(policy: PairsPolicy): Statement {
  return (sql) => `
SELECT bucket, shadowed, lost, won, unsure, wrong, COUNT(*) AS subjects, SUM(confirmed) AS confirmed,
  SUM(agreed) AS agreed, SUM(failed) AS failed
FROM (
  SELECT bucket, person, COUNT(*) AS shadowed,
    ${sql.countIf('says_right AND NOT also_right')} AS lost,
    ${sql.countIf('says_wrong AND also_right')} AS won,
    ${sql.countIf('says_wrong AND not_known')} AS unsure,
    ${sql.countIf('says_wrong')} AS wrong,
    ${sql.countIf('says_right')} AS confirmed,
    ${sql.countIf('is_same')} AS agreed,
    ${sql.countIf("shadow_status = 'failed'")} AS failed
  FROM (${comparedPredictions(policy)(sql)}
  ) AS c
  GROUP BY bucket, person
) AS s
GROUP BY bucket, shadowed, lost, won, unsure, wrong
ORDER BY bucket, shadowed, lost, won, unsure, wrong`;
}

/**
 * One row per prediction with both answers and what its first label says of each. Where the user said only that
 * nothing shown was right, the challenger's answer is wrong if it was shown too, and not known otherwise.
 */
function comparedPredictions(policy: PairsPolicy): Statement {
  const { rightWithin } = policy;
  return (sql) => {
    const isShown =
      rightWithin === 1 ? `${sql.rankOf('shown_candidates', 'shadow_label')} IS NOT NULL` : 'FALSE';
    return `
    SELECT bucket, person, shadow_status, COALESCE(shown_label = shadow_label, FALSE) AS is_same,
      is_labelled AND COALESCE(truth_rank < ${rightWithin}, FALSE) AS says_right,
      is_labelled AND NOT COALESCE(truth_rank < ${rightWithin}, FALSE) AS says_wrong,
      COALESCE(${sql.rankOf('shadow_candidates', 'truth')} < ${rightWithin}, FALSE) AS also_right,
      truth IS NULL AND shadow_label IS NOT NULL AND NOT (${isShown}) AS not_known
    FROM (${predictionsWithTruth(policy)(sql)}
    ) AS q`;
  };
}

/** The right label as far as the first label within the time to label says it; NULL otherwise. */
function predictionsWithTruth({ bucketSeconds, labelWindowSeconds }: PairsPolicy): Statement {
  const bucketMs = Math.round(bucketSeconds * 1000);
  const windowMs = Math.round(labelWindowSeconds * 1000);
  return (sql) => {
    const predictedMs = sql.toMillis('p.predicted_at');
    const skewedSince = sql.fromMillis(sql.param('skewedSince'));
    const labels = labelsStatement(`c.corrected_at >= ${skewedSince}`)(sql);
    const rank = rankGiven('l.first_given_rank', 'l.first_given_label', 'p.candidates')(sql);
    return `
      SELECT bucket, person, shown_candidates, shown_label, shadow_candidates, shadow_label, shadow_status,
        is_labelled, truth_rank,
        IF(truth_rank IS NULL, given_label, ${sql.at('shown_candidates', 'truth_rank', 'label')}) AS truth
      FROM (
        SELECT ${bucketMs} * ${sql.quotient(predictedMs, String(bucketMs))} AS bucket,
          ${sql.fingerprint('COALESCE(p.subject, p.prediction_id)')} AS person,
          p.candidates AS shown_candidates, p.label AS shown_label,
          s.answer.candidates AS shadow_candidates, s.answer.label AS shadow_label, s.answer.status AS shadow_status,
          COALESCE(${sql.toMillis('l.first_at')} - ${predictedMs} < ${windowMs}, FALSE) AS is_labelled,
          ${rank} AS truth_rank, l.first_given_label AS given_label
        FROM ${sql.table('predictions')} AS p
        JOIN (${firstShadows(sql)}
        ) AS s ON s.prediction_id = p.prediction_id
        LEFT JOIN (${labels}
        ) AS l ON l.prediction_id = p.prediction_id
        WHERE p.predictor = ${sql.param('predictor')} AND NOT p.pinned AND p.status = 'ok'
          AND p.version = ${sql.param('baseline')} AND p.predicted_at >= ${sql.fromMillis(sql.param('since'))}
      ) AS r`;
  };
}

/** Of a challenger that answered twice, which intake refuses, the first answer counts. */
const firstShadows: Statement = (sql) => `
          SELECT prediction_id, ${sql.firstBy(sql.struct({ status: 'status', label: 'label', candidates: 'candidates' }), 'revision')} AS answer
          FROM ${sql.table('shadows')} AS h
          WHERE predictor = ${sql.param('predictor')} AND version = ${sql.param('challenger')}
            AND status IN ('ok', 'failed') AND shadowed_at >= ${sql.fromMillis(sql.param('skewedSince'))}
          GROUP BY prediction_id`;
