/**
 * How a canary with a ramp moves: a step up when nothing speaks against it and enough was seen, back on a
 * rollback, to all traffic on a promotion. Pure; judge.ts carries a move out.
 *
 * Which step a canary is on follows from its share alone, and a move is appended only to the state that it was
 * decided on. So neither a restart nor a second process can skip a step or take one twice.
 */
import { nextRampShare, type RunningCanary, type Verdict } from '../event/predictor.js';
import { closedBlocks } from './blocks.js';
import { type Check, isAlarm } from './checks.js';
import type { JudgementInput } from './verdict.js';

/** What the service does next with the traffic. */
export type Move =
  { kind: 'step'; share: number; reason: string } | { kind: 'promote' | 'rollback'; reason: string };

/** Where a ramp stands. */
export interface RampProgress {
  shares: readonly number[];
  /** The canary's share now, in [0, 1]. */
  share: number;
  /** The share of the next step; null when only the promotion is left. */
  nextShare: number | null;
  /** What the next move waits for, in words; null when it is due. */
  waitsFor: string | null;
  paused: RunningCanary['paused'];
}

/** Evidence of an alarm at which a ramp waits, far below the proof that rolls back. */
const DOUBT = 3;

/** What a move rests on. */
export interface RampView {
  canary: RunningCanary;
  /** The canary's share now, in [0, 1]. */
  share: number;
  verdict: Verdict;
  reason: string;
  checks: readonly Check[];
  /** Labels of the canary that were given since it has this share, in closed cells. */
  labelsOnStep: number;
  /** The figures are older than the policy's maxLagSeconds. */
  isStale: boolean;
  /** Milliseconds. */
  now: number;
}

/** The next move of a canary with a ramp, or null while it waits. */
export function nextMove(view: RampView): Move | null {
  const { canary, verdict, reason } = view;
  if (canary.ramp === null) return null;
  // A pause keeps the canary from more traffic, not the users from worse answers.
  if (verdict === 'rollback') return { kind: 'rollback', reason };
  if (canary.paused !== null || waitsFor(view) !== null) return null;
  if (verdict === 'promote') return { kind: 'promote', reason };
  const share = nextRampShare(canary.ramp, view.share);
  if (share === null) return null;
  const seen = `${view.labelsOnStep.toFixed(0)} labels at ${percent(view.share)}, and nothing speaks against more`;
  return { kind: 'step', share, reason: seen };
}

/** Where the ramp of a canary stands; null without one. */
export function rampProgress(view: RampView): RampProgress | null {
  const { canary, share } = view;
  if (canary.ramp === null) return null;
  return {
    shares: canary.ramp,
    share,
    nextShare: nextRampShare(canary.ramp, share),
    waitsFor: canary.paused === null ? waitsFor(view) : 'the ramp is paused: resume it',
    paused: canary.paused,
  };
}

/** Labels of the canary in closed cells of buckets that began after a moment. */
export function labelsSince(input: JudgementInput, since: number): number {
  const { bucketSeconds, ageEdgesSeconds } = input.policy;
  const window = { ...input, bucketSeconds, ageEdgesSeconds, startedAt: Math.max(since, input.startedAt) };
  return closedBlocks(input.rows, window).reduce(
    (sum, block) => (block.kind === 'labels' ? sum + block.canary.right + block.canary.wrong : sum),
    0,
  );
}

function waitsFor(view: RampView): string | null {
  const { canary, verdict, checks, labelsOnStep, isStale, now } = view;
  if (isStale) return 'the projection to catch up';
  if (verdict === 'promote') return null;
  if (nextRampShare(canary.ramp ?? [], view.share) === null)
    return 'the verdict: the next step is the promotion';
  const doubts = checks.filter(
    ({ name, status, evidence }) => isAlarm(name) && status !== 'waived' && evidence >= DOUBT,
  );
  if (doubts.length > 0) {
    return `${doubts.map(({ name }) => name).join(', ')} to calm down: evidence ${doubts
      .map(({ evidence }) => evidence.toFixed(1))
      .join(', ')}, below ${DOUBT} is calm`;
  }
  const { stepLabels, stepSeconds } = canary.policy;
  // Without traffic no label will come.
  if (view.share > 0 && labelsOnStep < stepLabels) {
    return `${Math.ceil(stepLabels - labelsOnStep)} more labels of ${canary.canary} at this share`;
  }
  const due = canary.stepAt + stepSeconds * 1000;
  return now < due ? `${new Date(due).toISOString()}: a step lasts at least ${stepSeconds} s` : null;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2).replace(/\.?0+$/, '')} %`;
}
