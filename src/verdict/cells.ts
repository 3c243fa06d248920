/**
 * What the judge looks at: per version and bucket of prediction time, how many subjects were at risk of being
 * labelled in each age bin and what their first labels said. Sums of per-subject means, so that five
 * predictions of one user are one piece of evidence.
 */
import type { Policy, Score } from '../event/policy.js';
import { labelsStatement, rankGiven } from '../warehouse/labels.js';
import type { Statement, Warehouse } from '../warehouse/warehouse.js';

/** One version in one bucket. */
export interface BucketRow {
  version: string;
  /** Start of the bucket, milliseconds; a multiple of the policy's bucketSeconds. */
  bucket: number;
  /** Predictions, failed ones included, pinned ones excluded (as everywhere below). */
  predictions: number;
  /** Subjects with at least one prediction in the bucket, failed ones included. */
  subjects: number;
  /** Sum over those subjects of the share of their predictions that failed. */
  errors: number;
  /** Subjects with at least one answered prediction whose latency is known. */
  timedSubjects: number;
  /** Sum over those of the share of their predictions that were slower than the policy's limit. */
  slow: number;
  /** What each score of the policy says, in its order; absent where it has none. */
  scores?: ScoreMeans[];
  /** Subjects whose first prediction of the canary's window lies in this bucket: what the split drew. */
  newcomers: number;
  /** Per age bin: subjects with at least one answered prediction not labelled before the bin began. */
  atRisk: number[];
  /** Per age bin: sum over those subjects of the share of at-risk predictions whose first label says right. */
  right: number[];
  /** Per age bin: the same for first labels that say wrong. */
  wrong: number[];
}

/** One score in one bucket of a version, of answered predictions. */
export interface ScoreMeans {
  /** Subjects with at least one prediction that has the score. */
  subjects: number;
  /** Sum over those subjects of the mean of their scores, as they were given. */
  sum: number;
  /** Predictions without it: missing, not a number, or outside [0, 1]. */
  leftOut: number;
}

/** Which rows are read, and how they are cut. */
export interface BucketsRequest {
  predictor: string;
  baseline: string;
  canary: string;
  /** When the canary started, milliseconds: only buckets that begin then or later are read. */
  startedAt: number;
  policy: CellPolicy;
}

export type CellPolicy = Pick<
  Policy,
  'rightWithin' | 'latencyLimitMs' | 'bucketSeconds' | 'ageEdgesSeconds'
> & { scores?: readonly Pick<Score, 'from'>[] };

/** How far before its prediction a label may be dated by another clock; it counts at age 0 then. */
const CLOCK_SKEW_MS = 86_400_000;

/** The first bucket that began after the canary started, milliseconds. */
export function firstBucket(startedAt: number, bucketSeconds: number): number {
  const width = bucketSeconds * 1000;
  return Math.ceil(startedAt / width) * width;
}

/**
 * The rows of both versions, in order of bucket and version; a bucket without predictions has none.
 * @param only starts of the buckets that are wanted, if not all of them; one at least
 */
export async function readBuckets(
  warehouse: Pick<Warehouse, 'query'>,
  request: BucketsRequest,
  only?: readonly number[],
): Promise<BucketRow[]> {
  const { predictor, baseline, canary, startedAt, policy } = request;
  const since = firstBucket(startedAt, policy.bucketSeconds);
  const window = { predictor, baseline, canary, since, labelsSince: since - CLOCK_SKEW_MS };
  type Row = Omit<BucketRow, 'right' | 'wrong' | 'scores'> & {
    rightMeans: number[];
    wrongMeans: number[];
  } & Partial<ScoreColumns>;
  const rows = await warehouse.query<Row>(
    bucketsStatement(policy, only !== undefined),
    only === undefined ? window : { ...window, from: Math.min(...only), buckets: only.join('\n') },
  );
  return rows.map(({ rightMeans, wrongMeans, scored, scoreMeans, unscored, ...row }) => ({
    ...row,
    right: rightMeans,
    wrong: wrongMeans,
    ...(scored === undefined ? {} : { scores: scoresOf({ scored, scoreMeans, unscored }) }),
  }));
}

/** As the statement gives them: an element for each score of the policy. */
interface ScoreColumns {
  scored: number[];
  scoreMeans: number[];
  unscored: number[];
}

function scoresOf({ scored, scoreMeans, unscored }: Partial<ScoreColumns>): ScoreMeans[] {
  return (scored ?? []).map((subjects, k) => ({
    subjects,
    sum: scoreMeans?.[k] ?? 0,
    leftOut: unscored?.[k] ?? 0,
  }));
}

/** When some of the predictor's predictions were made, milliseconds; those that are not there are left out. */
export async function predictedAt(
  warehouse: Pick<Warehouse, 'query'>,
  { predictor }: BucketsRequest,
  predictionIds: readonly string[],
): Promise<{ id: string; at: number }[]> {
  // No id holds a control character.
  const ids = predictionIds.join('\n');
  const rows = await warehouse.query<{ id: string; predicted: number }>(predictedAtStatement, {
    predictor,
    ids,
  });
  return rows.map(({ id, predicted }) => ({ id, at: predicted }));
}

/** Parameters: predictor; ids, one a line. */
export const predictedAtStatement: Statement = (sql) => `
SELECT p.prediction_id AS id, ${sql.toMillis('p.predicted_at')} AS predicted
FROM ${sql.table('predictions')} AS p
WHERE p.predictor = ${sql.param('predictor')} AND p.prediction_id IN (
  SELECT line FROM ${sql.lines(sql.param('ids'))})`;

const bucketOf =
  (timestamp: string, { bucketSeconds }: CellPolicy): Statement =>
  (sql) => {
    const bucketMs = Math.round(bucketSeconds * 1000);
    return `${bucketMs} * ${sql.quotient(sql.toMillis(timestamp), String(bucketMs))}`;
  };

/**
 * Parameters: predictor, baseline, canary; since and labelsSince in milliseconds. Where only some buckets are
 * wanted: from, the start of the first of them, and buckets, the starts of all, one a line; in milliseconds.
 */
export function bucketsStatement(policy: CellPolicy, onlySome = false): Statement {
  const bins = policy.ageEdgesSeconds.slice(1).map((_, bin) => bin);
  const scores = (policy.scores ?? []).map((_, k) => k);
  return (sql) => {
    const sumOfMeans = (part: string, whole: string) => `SUM(COALESCE(${sql.safeDivide(part, whole)}, 0))`;
    const perBin = (expression: (bin: number) => string) => `[${bins.map(expression).join(', ')}]`;
    const isNew = onlySome ? 'nth = 1 AND COALESCE(seen_at >= first_predicted_at, TRUE)' : 'nth = 1';
    const perScore = (expression: (k: number) => string) => `[${scores.map(expression).join(', ')}]`;
    const ofScores = `,
  ${perScore((k) => sql.countIf(`scored_${k} > 0`))} AS scored,
  ${perScore((k) => sumOfMeans(`score_sum_${k}`, `scored_${k}`))} AS scoreMeans,
  ${perScore((k) => `SUM(unscored_${k})`)} AS unscored`;
    return `
SELECT version, bucket, SUM(predictions) AS predictions, COUNT(*) AS subjects,
  ${sumOfMeans('failed', 'predictions')} AS errors,
  ${sql.countIf('timed > 0')} AS timedSubjects, ${sumOfMeans('slow', 'timed')} AS slow, ${sql.countIf(isNew)} AS newcomers,
  ${perBin((bin) => sql.countIf(`at_risk_${bin} > 0`))} AS atRisk,
  ${perBin((bin) => sumOfMeans(`right_${bin}`, `at_risk_${bin}`))} AS rightMeans,
  ${perBin((bin) => sumOfMeans(`wrong_${bin}`, `at_risk_${bin}`))} AS wrongMeans${scores.length > 0 ? ofScores : ''}
FROM (
  SELECT s.*, ROW_NUMBER() OVER (PARTITION BY person ORDER BY first_predicted_at, version) AS nth
  FROM (${perSubject(policy, bins, onlySome)(sql)}
  ) AS s
) AS n${onlySome ? firstVisits(policy)(sql) : ''}
GROUP BY version, bucket
ORDER BY bucket, version`;
  };
}

/** When those who asked in the wanted buckets asked first; who gives no subject never asked before. */
const firstVisits =
  (policy: CellPolicy): Statement =>
  (sql) => `
LEFT JOIN (
  SELECT ${sql.fingerprint('p.subject')} AS visitor, MIN(p.predicted_at) AS seen_at
  FROM ${sql.table('predictions')} AS p
  WHERE ${inWindow(sql)} AND p.subject IN (
    SELECT p.subject FROM ${sql.table('predictions')} AS p WHERE ${inWindow(sql)}${inBuckets(policy)(sql)})
  GROUP BY visitor
) AS v ON v.visitor = n.person`;

/** One row per version, bucket and subject: its predictions counted by what became of them. */
function perSubject(policy: CellPolicy, bins: number[], onlySome: boolean): Statement {
  const { latencyLimitMs, scores = [] } = policy;
  const slow = latencyLimitMs === undefined ? 'FALSE' : `status = 'ok' AND latency_ms > ${latencyLimitMs}`;
  return (sql) => {
    const counters = bins.map(
      (bin) => `
        ${sql.countIf(`status = 'ok' AND bin >= ${bin}`)} AS at_risk_${bin},
      ${sql.countIf(`status = 'ok' AND bin = ${bin} AND says_right`)} AS right_${bin},
      ${sql.countIf(`status = 'ok' AND bin = ${bin} AND NOT says_right`)} AS wrong_${bin}`,
    );
    const sums = scores.map(
      (_, k) => `,
      ${sql.countIf(`status = 'ok' AND score_${k} IS NOT NULL`)} AS scored_${k},
      SUM(IF(status = 'ok', score_${k}, NULL)) AS score_sum_${k},
      ${sql.countIf(`status = 'ok' AND score_${k} IS NULL`)} AS unscored_${k}`,
    );
    return `
    SELECT version, bucket, person, MIN(predicted_at) AS first_predicted_at, COUNT(*) AS predictions,
      ${sql.countIf("status = 'failed'")} AS failed, ${sql.countIf("status = 'ok' AND latency_ms IS NOT NULL")} AS timed,
      ${sql.countIf(slow)} AS slow,${counters.join(',')}${sums.join('')}
    FROM (${labelledPredictions(policy, onlySome)(sql)}
    ) AS q
    GROUP BY version, bucket, person`;
  };
}

/**
 * One row per prediction, with what its first label said and in which age bin. The first label not retracted
 * counts: one that supersedes it changes the outcome that people see, but a cell that looked at it would know
 * the future. A prediction without a subject is its own subject.
 */
function labelledPredictions(policy: CellPolicy, onlySome: boolean): Statement {
  const { ageEdgesSeconds, rightWithin, scores = [] } = policy;
  const binEnds = ageEdgesSeconds.slice(1).map((edge) => Math.round(edge * 1000));
  return (sql) => {
    const age = `${sql.toMillis('c.first_at')} - ${sql.toMillis('p.predicted_at')}`;
    const rank = rankGiven('c.first_given_rank', 'c.first_given_label', 'p.candidates')(sql);
    const wanted = `${inWindow(sql)}${onlySome ? inBuckets(policy)(sql) : ''}`;
    const ofThese = onlySome
      ? ` AND c.prediction_id IN (SELECT p.prediction_id FROM ${sql.table('predictions')} AS p WHERE ${wanted})`
      : '';
    const labels = labelsStatement(`c.corrected_at >= ${sql.fromMillis(sql.param('labelsSince'))}${ofThese}`);
    return `
      SELECT p.version, ${bucketOf('p.predicted_at', policy)(sql)} AS bucket,
        ${sql.fingerprint('COALESCE(p.subject, p.prediction_id)')} AS person, p.predicted_at, p.status, p.latency_ms,
        COALESCE(${rank} < ${rightWithin}, FALSE) AS says_right,
        CASE WHEN c.first_at IS NULL THEN ${binEnds.length}${binEnds
          .map((end, bin) => ` WHEN ${age} < ${end} THEN ${bin}`)
          .join('')} ELSE ${binEnds.length} END AS bin${scores
          .map(
            ({ from }, k) => `,
        ${sql.scoreIn('p.metadata', from.slice(1).split('/'))} AS score_${k}`,
          )
          .join('')}
      FROM ${sql.table('predictions')} AS p
      LEFT JOIN (${labels(sql)}
      ) AS c ON c.prediction_id = p.prediction_id
      WHERE ${wanted}`;
  };
}

/** What both versions predicted since the canary's first bucket, without what callers pinned. */
const inWindow: Statement = (sql) => `p.predictor = ${sql.param('predictor')} AND NOT p.pinned
        AND p.version IN (${sql.param('baseline')}, ${sql.param('canary')})
        AND p.predicted_at >= ${sql.fromMillis(sql.param('since'))}`;

const inBuckets =
  (policy: CellPolicy): Statement =>
  (sql) => `
        AND p.predicted_at >= ${sql.fromMillis(sql.param('from'))} AND ${bucketOf('p.predicted_at', policy)(sql)} IN (
          SELECT CAST(line AS INT64) FROM ${sql.lines(sql.param('buckets'))})`;
