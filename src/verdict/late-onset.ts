/**
 * Harm that only shows under load would drown in the calm hours before it. The evidence that the canary is
 * worse is therefore also counted afresh from each change of its traffic share.
 */
import type { SplitChange } from '../event/predictor.js';
import { canaryShareOf, splitAt, type Arms } from './blocks.js';
import { firstBucket } from './cells.js';
import type { Onset } from './e-process.js';

/** Weight of the evidence from the start on. */
export const WEIGHT_AT_START = 0.55;
const WEIGHT_OF_CHANGES = 1 - WEIGHT_AT_START;

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
 * equal parts for the steps of a ramp that lie above the share at the start; for changes by hand, whose
 * number nobody knows, halves of what is left. A step beyond the plan gets no weight.
 */
export function onsetsOf(plan: TrafficPlan): Onset[] {
  const start = firstBucket(plan.startedAt, plan.bucketSeconds);
  const weights = changeWeights(plan, start);
  const changes = changesAfter(start, plan)
    .slice(0, weights.length)
    .map((from, i) => ({ from, weight: weights[i] ?? 0 }));
  return [{ from: start, weight: WEIGHT_AT_START }, ...changes];
}

function changeWeights({ ramp, splits, canary }: TrafficPlan, start: number): number[] {
  if (ramp === null) return Array.from({ length: 30 }, (_, i) => WEIGHT_OF_CHANGES * 2 ** -(i + 1));
  const shareAtStart = splitAt(splits, start)?.[canary] ?? 0;
  const steps = ramp.filter((share) => share > shareAtStart + 1e-9);
  return steps.map(() => WEIGHT_OF_CHANGES / steps.length);
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
