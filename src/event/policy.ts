/**
 * The terms on which a canary is judged. What was in force is part of the event that starts the canary, so
 * that a verdict can be recomputed long after the defaults have changed.
 */

/**
 * The checks that every canary has (verdict/checks.ts), by the names under which they appear in the health
 * answer; each score of the policy adds one.
 */
export const CHECK_NAMES = [
  'wrong-up',
  'wrong-within',
  'wrong-lower',
  'right-lower',
  'right-within',
  'right-held',
  'right-not-higher',
  'errors-up',
  'slow-up',
  'sample-ratio',
] as const;

export type FixedCheckName = (typeof CHECK_NAMES)[number];

/** The check of a score, by the score's name. */
export type ScoreCheckName = `score:${string}`;

export type CheckName = FixedCheckName | ScoreCheckName;

/** A number in [0, 1] that comes with each prediction, in its metadata, and must not get worse. */
export interface Score {
  /** `a-z`, digits and dashes; unique in the policy. */
  name: string;
  /** JSON pointer into the metadata, such as `/cost`; true and false there count as 1 and 0. */
  from: string;
  /** Which way is better. */
  better: 'higher' | 'lower';
  /** How much worse its mean may be, in (0, 1): 0.01 = one hundredth of the scale. */
  tolerance: number;
  /** Error probability allowed to its check, in (0, 0.5]. */
  alpha: number;
  /** What follows when it is shown to be worse. */
  onWorse: 'rollback' | 'hold';
}

/** A score as a caller gives it. */
export type PartialScore = Pick<Score, 'name' | 'from' | 'better'> &
  Partial<Pick<Score, 'tolerance' | 'alpha' | 'onWorse'>>;

/** Whether a canary must show that its users confirm as often as before. */
export type Confirmations = 'auto' | 'required' | 'none';

export interface Policy {
  /** Share of additional wrong answers that is still acceptable, in (0, 1]. 0.10 = ten percent more. */
  tolerance: number;
  /** A confirmed candidate counts as right when its rank is below this (1 = only the first), 1 to 100. */
  rightWithin: number;
  confirmations: Confirmations;
  /** A prediction slower than this counts as slow, milliseconds; without it `slow-up` is not asked. */
  latencyLimitMs?: number;
  /** A projection older than this never promotes, seconds. */
  maxLagSeconds: number;
  /** Width of the buckets in which the arms are compared, seconds. */
  bucketSeconds: number;
  /** Edges of the label-age bins, seconds, ascending from 0; the last one ends the last bin. */
  ageEdgesSeconds: number[];
  /** Labels of the canary that each step of a ramp waits for, whole, from 0. */
  stepLabels: number;
  /** How long each step of a ramp lasts at least, seconds. */
  stepSeconds: number;
  /** Error probability allowed to each check, in (0, 0.5]; those of scores stand beside them. */
  alpha: Record<FixedCheckName, number>;
  /** Up to 8. */
  scores: Score[];
}

/** A policy as a caller gives it: whatever is missing is taken from the defaults. */
export type PartialPolicy = Partial<Omit<Policy, 'alpha' | 'scores'>> & {
  alpha?: Partial<Record<FixedCheckName, number>>;
  scores?: readonly PartialScore[];
};

export const DEFAULT_POLICY: Policy = {
  tolerance: 0.1,
  rightWithin: 1,
  confirmations: 'auto',
  maxLagSeconds: 300,
  bucketSeconds: 300,
  ageEdgesSeconds: [0, 300, 900, 2400, 6000, 18_000, 86_400],
  stepLabels: 50,
  stepSeconds: 1800,
  alpha: {
    'wrong-up': 0.03,
    'wrong-within': 0.05,
    'wrong-lower': 0.05,
    'right-lower': 0.01,
    'right-within': 0.05,
    'right-held': 0.05,
    'right-not-higher': 0.05,
    'errors-up': 0.01,
    'slow-up': 0.01,
    'sample-ratio': 0.01,
  },
  scores: [],
};

/** Error probability of all scores together, shared equally among them unless they name their own. */
export const SCORES_ALPHA = 0.02;

/** A hundredth of the scale, as `slow-up` has it. */
const SCORE_TOLERANCE = 0.01;

/**
 * Fills in what a caller left out, from `base` (the operator's policy) or the defaults. Scores are taken as a
 * whole from the one or the other, so that the share of each does not depend on what else there is.
 */
export function completePolicy(given: PartialPolicy = {}, base: Policy = DEFAULT_POLICY): Policy {
  const scores = given.scores === undefined ? base.scores : completeScores(given.scores);
  return { ...base, ...given, alpha: { ...base.alpha, ...given.alpha }, scores };
}

function completeScores(given: readonly PartialScore[]): Score[] {
  const share = SCORES_ALPHA / given.length;
  return given.map((score) => ({ tolerance: SCORE_TOLERANCE, alpha: share, onWorse: 'rollback', ...score }));
}

/** The name of a score's check. */
export function scoreCheck({ name }: Pick<Score, 'name'>): ScoreCheckName {
  return `score:${name}`;
}

/** Error probability allowed to a check of this policy. */
export function alphaOf({ alpha, scores }: Policy, check: CheckName): number {
  const score = scores.find((one) => scoreCheck(one) === check);
  return score === undefined ? alpha[check as FixedCheckName] : score.alpha;
}
