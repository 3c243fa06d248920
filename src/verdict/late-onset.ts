/**
 * Harm that only shows under load would drown in the calm hours before it. The evidence that the canary is
 * worse is therefore also counted afresh from each change of its traffic share.
 */
import type { SplitChange } from '../event/predictor.js';
import { canaryShareOf, splitAt, type Arms } from './blocks.js';
import { firstBucket } from './cells.js';
import type { Onset } from './e-process.js';

/**
 * What is kept for later is missing from the start, so it is about the share of bad canaries that are bad only
 * under load: more of them when a ramp plans for load. Harm from the start then takes 3 (6) % more labels than
 * without any reserve; measured in docs/canary-power.md.
 */
const KEPT_FOR_CHANGES_BY_HAND = 0.1;
const KEPT_FOR_A_RAMP = 0.2;

/** What is known and planned of the canary's traffic. */
export interface TrafficPlan extends Arms {
  startedAt: number;
  splits: readonly SplitChange[];
  /** Shares that the canary is to pass through; null when its traffic is changed by hand. */
  ramp: readonly number[] | null;
  bucketSeconds: number;
}

/**
 * The start, and every change of the canary's share so far. The weights are fixed before anything is seen:
 * equal parts for the steps of a ramp that lie above the share at the start and leave something to compare
 * with; for changes by hand, whose number nobody knows, halves of what is left. A step beyond the plan gets
 * no weight.
 */
export function onsetsOf(plan: TrafficPlan): Onset[] {
  const start = firstBucket(plan.startedAt, plan.bucketSeconds);
  const weights = changeWeights(plan, start);
  const changes = changesAfter(start, plan)
    .slice(0, weights.length)
    .map((from, i) => ({ from, weight: weights[i] ?? 0 }));
  const atStart = 1 - weights.reduce((sum, weight) => sum + weight, 0);
  return [{ from: start, weight: atStart }, ...changes];
}

function changeWeights({ ramp, splits, canary }: TrafficPlan, start: number): number[] {
  if (ramp === null) return Array.from({ length: 30 }, (_, i) => KEPT_FOR_CHANGES_BY_HAND * 2 ** -(i + 1));
  const shareAtStart = splitAt(splits, start)?.[canary] ?? 0;
  const steps = ramp.filter((share) => share > shareAtStart + 1e-9 && share < 1);
  return steps.map(() => KEPT_FOR_A_RAMP / steps.length);
}

/** First buckets that lie wholly under a new share; several changes within a bucket count once. */
function changesAfter(start: number, plan: TrafficPlan): number[] {
  const from = new Set<number>();
  for (const [i, { at, split }] of plan.splits.entries()) {
    const before = plan.splits[i - 1];
    const bucket = firstBucket(at, plan.bucketSeconds);
    const changed = before === undefined || canaryShareOf(before.split, plan) !== canaryShareOf(split, plan);
    if (changed && bucket > start) from.add(bucket);
  }
  return [...from];
}
