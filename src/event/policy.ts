/**
 * The terms on which a canary is judged. What was in force is part of the event that starts the canary, so
 * that a verdict can be recomputed long after the defaults have changed.
 */

/** The checks of verdict/checks.ts, by the names under which they appear in the health answer. */
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

export type CheckName = (typeof CHECK_NAMES)[number];

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
  /** Error probability allowed to each check, in (0, 0.5]. */
  alpha: Record<CheckName, number>;
}

/** A policy as a caller gives it: whatever is missing is taken from the defaults. */
export type PartialPolicy = Partial<Omit<Policy, 'alpha'>> & { alpha?: Partial<Record<CheckName, number>> };

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
};

/** Fills in what a caller left out, from `base` (the operator's policy) or the defaults. */
export function completePolicy(given: PartialPolicy = {}, base: Policy = DEFAULT_POLICY): Policy {
  return { ...base, ...given, alpha: { ...base.alpha, ...given.alpha } };
}
