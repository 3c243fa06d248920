/**
 * Rules by which canaries are judged elsewhere, for comparison on the same simulated worlds. Each is written
 * from its published description. All of them look at the accuracy among the labels that have arrived, as a
 * dashboard would show it, and all promote at the end of the time unless they have said otherwise before.
 */
import { BUCKET_SECONDS, type World } from './canary-world.js';

/** Labels that arrived in one bucket, whenever their predictions were made. */
export interface LabelsOfBucket {
  baseline: { right: number; wrong: number };
  canary: { right: number; wrong: number };
}

export interface RuleVerdict {
  verdict: 'rollback' | 'promote';
  /** End of the bucket at which it was reached. */
  bucket: number;
}

export interface NaiveRule {
  name: string;
  /** Where it is described, and the settings used here. */
  source: string;
  settings: string;
  /** @param least lowest acceptable share of right among the labels, for rules that need one */
  judge: (labels: readonly LabelsOfBucket[], least: number) => RuleVerdict;
}

/** Labels by version and bucket of arrival. Parameter: startedAt, milliseconds. */
export const LABELS_BY_ARRIVAL = `
SELECT version, (epoch_ms(labelled_at) - $startedAt) // ${BUCKET_SECONDS * 1000} AS bucket,
  COUNT(*) FILTER (WHERE outcome = 'right') AS "right", COUNT(*) FILTER (WHERE outcome <> 'right') AS wrong
FROM prediction_outcomes WHERE outcome IS NOT NULL AND NOT pinned GROUP BY ALL`;

/** A row of LABELS_BY_ARRIVAL. */
export interface ArrivalRow {
  version: string;
  bucket: number;
  right: number;
  wrong: number;
}

export function labelsByArrival(rows: readonly ArrivalRow[], { buckets }: World): LabelsOfBucket[] {
  const none = () => ({ right: 0, wrong: 0 });
  const labels = Array.from({ length: buckets }, () => ({ baseline: none(), canary: none() }));
  for (const { version, bucket, right, wrong } of rows) {
    if (bucket >= 0 && bucket < buckets)
      labels[bucket]![version === 'v1' ? 'baseline' : 'canary'] = { right, wrong };
  }
  return labels;
}

/**
 * What a careful operator would set as the lowest acceptable accuracy among the labelled: what the baseline
 * has in the long run, less ten percent more wrong.
 */
export function leastAcceptable({ baseline }: World): number {
  const right = baseline.accuracy(0) * baseline.confirms;
  const wrong = (1 - baseline.accuracy(0)) * baseline.corrects;
  return 1 - 1.1 * (wrong / (right + wrong));
}

const shareOf = ({ right, wrong }: { right: number; wrong: number }): number => right / (right + wrong);
const promotedAtEnd = (labels: readonly unknown[]): RuleVerdict => ({
  verdict: 'promote',
  bucket: labels.length,
});

/** Two proportions, pooled variance, two-sided at .05, on all labels so far, at every poll. */
function zTest(labels: readonly LabelsOfBucket[]): RuleVerdict {
  const sum = { baseline: { right: 0, wrong: 0 }, canary: { right: 0, wrong: 0 } };
  for (const [i, bucket] of labels.entries()) {
    for (const arm of ['baseline', 'canary'] as const) {
      sum[arm].right += bucket[arm].right;
      sum[arm].wrong += bucket[arm].wrong;
    }
    const n = {
      baseline: sum.baseline.right + sum.baseline.wrong,
      canary: sum.canary.right + sum.canary.wrong,
    };
    const pooled = (sum.baseline.right + sum.canary.right) / (n.baseline + n.canary);
    const z =
      (shareOf(sum.canary) - shareOf(sum.baseline)) /
      Math.sqrt(pooled * (1 - pooled) * (1 / n.baseline + 1 / n.canary));
    if (z <= -1.96) return { verdict: 'rollback', bucket: i + 1 };
    if (z >= 1.96) return { verdict: 'promote', bucket: i + 1 };
  }
  return promotedAtEnd(labels);
}

/** Buckets between two judgements of the Mann-Whitney rule. */
const ANALYSIS_EVERY = 20;
/** 98 % two-sided. */
const Z98 = 2.3263;
const TOLERANCE = 0.25;

/**
 * The accuracies of single buckets as two samples: the metric is low when the 98 % interval of the shift between
 * them lies below zero by more than a quarter of its Hodges-Lehmann estimate. One metric: it alone is the score.
 */
function mannWhitney(labels: readonly LabelsOfBucket[]): RuleVerdict {
  for (let end = ANALYSIS_EVERY; end <= labels.length; end += ANALYSIS_EVERY) {
    const seen = labels.slice(0, end);
    const series = (arm: keyof LabelsOfBucket) =>
      seen.map((bucket) => shareOf(bucket[arm])).filter((share) => !Number.isNaN(share));
    const shift = shiftBetween(series('baseline'), series('canary'));
    if (shift !== null && shift.high < -TOLERANCE * Math.abs(shift.estimate)) {
      return { verdict: 'rollback', bucket: end };
    }
  }
  return promotedAtEnd(labels);
}

/** Median of all differences `b - a`, and the differences that bound it (Moses; normal approximation of U). */
export function shiftBetween(
  a: readonly number[],
  b: readonly number[],
): { estimate: number; low: number; high: number } | null {
  const pairs = a.length * b.length;
  if (pairs === 0) return null;
  const differences = new Float64Array(pairs);
  a.forEach((one, i) => b.forEach((other, k) => (differences[i * b.length + k] = other - one)));
  differences.sort();
  const spread = Z98 * Math.sqrt((pairs * (a.length + b.length + 1)) / 12);
  const rank = Math.max(0, Math.floor(pairs / 2 - spread));
  const middle = (differences[(pairs - 1) >> 1]! + differences[pairs >> 1]!) / 2;
  return { estimate: middle, low: differences[rank]!, high: differences[pairs - 1 - rank]! };
}

/** Buckets in which the canary's accuracy reaches the least acceptable; those without labels measure nothing. */
function measurements(
  labels: readonly LabelsOfBucket[],
  least: number,
): { bucket: number; isSuccess: boolean }[] {
  return labels
    .map(({ canary }, i) => ({ bucket: i + 1, share: shareOf(canary) }))
    .filter(({ share }) => !Number.isNaN(share))
    .map(({ bucket, share }) => ({ bucket, isSuccess: share >= least }));
}

const FAILURE_LIMIT = 3;

/** A measurement each interval; more failures than the limit, in all, fail the analysis. */
function failureLimit(labels: readonly LabelsOfBucket[], least: number): RuleVerdict {
  let failures = 0;
  for (const { bucket, isSuccess } of measurements(labels, least)) {
    if (!isSuccess) failures++;
    if (failures > FAILURE_LIMIT) return { verdict: 'rollback', bucket };
  }
  return promotedAtEnd(labels);
}

const CONSECUTIVE_SUCCESSES = 4;

/** The same, but so many successes in a row succeed, and the limit holds until then. */
function consecutiveSuccesses(labels: readonly LabelsOfBucket[], least: number): RuleVerdict {
  let failures = 0;
  let successes = 0;
  for (const { bucket, isSuccess } of measurements(labels, least)) {
    successes = isSuccess ? successes + 1 : 0;
    if (!isSuccess) failures++;
    if (failures > FAILURE_LIMIT) return { verdict: 'rollback', bucket };
    if (successes >= CONSECUTIVE_SUCCESSES) return { verdict: 'promote', bucket };
  }
  return promotedAtEnd(labels);
}

const FAILED_CHECKS = 5;
const STEP_WEIGHT = 10;
const MAX_WEIGHT = 50;

/** Each check that succeeds moves the weight up a step, each that fails is counted and halts it. */
function stepsAndFailedChecks(labels: readonly LabelsOfBucket[], least: number): RuleVerdict {
  let failed = 0;
  let weight = 0;
  for (const { bucket, isSuccess } of measurements(labels, least)) {
    if (isSuccess) weight += STEP_WEIGHT;
    else failed++;
    if (failed >= FAILED_CHECKS) return { verdict: 'rollback', bucket };
    if (weight >= MAX_WEIGHT) return { verdict: 'promote', bucket };
  }
  return promotedAtEnd(labels);
}

export const NAIVE_RULES: readonly NaiveRule[] = [
  {
    name: 'z-test at every poll',
    source: 'any textbook: two proportions, pooled variance',
    settings:
      'accuracy among all labels so far, asked at every bucket; p < .05 two-sided decides for whichever side is ahead',
    judge: zTest,
  },
  {
    name: 'Mann-Whitney, as Kayenta does it',
    source: 'Spinnaker, "How canary judgment works", and the classifier of NetflixACAJudge',
    settings: `accuracy of each bucket as two samples; 98 % interval of the shift, tolerance ${TOLERANCE} of its Hodges-Lehmann estimate, direction "decrease"; a growing window judged every ${ANALYSIS_EVERY} buckets, one metric (score 0 or 100; marginal 75, pass 95)`,
    judge: mannWhitney,
  },
  {
    name: 'failure limit, as Argo Rollouts',
    source: 'Argo Rollouts, "Analysis & Progressive Delivery"',
    settings: `interval 5m, successCondition: accuracy of the bucket at least acceptable, failureLimit ${FAILURE_LIMIT}, count to the end`,
    judge: failureLimit,
  },
  {
    name: 'consecutive successes, as Argo Rollouts',
    source: 'Argo Rollouts, "Analysis & Progressive Delivery"',
    settings: `the same with consecutiveSuccessLimit ${CONSECUTIVE_SUCCESSES}`,
    judge: consecutiveSuccesses,
  },
  {
    name: 'failed checks, as Flagger',
    source: 'Flagger, "Deployment Strategies", canary release',
    settings: `interval 5m, threshold ${FAILED_CHECKS} failed checks, stepWeight ${STEP_WEIGHT}, maxWeight ${MAX_WEIGHT}; the weight is only counted, the traffic is that of the world`,
    judge: stepsAndFailedChecks,
  },
];
