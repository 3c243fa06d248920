/**
 * May the canary take all the traffic? One answer with its reason, from nothing but the rows and the terms.
 *
 * The judgement goes through the ends of all buckets in order, as if somebody had asked at each, and the
 * first rollback or promote stands: neither how often one asks nor when changes the answer.
 */
import { alphaOf, type CheckName, type Policy, scoreCheck } from '../event/policy.js';
import type { SplitChange, Verdict } from '../event/predictor.js';
import { closedBlocks, type Arms, type Block } from './blocks.js';
import type { BucketRow } from './cells.js';
import { labelRate } from './label-rate.js';
import { Evidence, type Check } from './checks.js';
import { onsetsOf } from './late-onset.js';
import type { LabelSummary } from './labels-seen.js';
import {
  holdReason,
  insufficientReason,
  promoteReason,
  rollbackReason,
  staleReason,
  type Scene,
} from './reasons.js';

/** All that a judgement rests on. */
export interface JudgementInput extends Arms {
  /** All age bins of all buckets since the start, closed or not; other versions are ignored. */
  rows: readonly BucketRow[];
  /** Milliseconds. */
  startedAt: number;
  /** Every split of the predictor, oldest first. */
  splits: readonly SplitChange[];
  ramp: readonly number[] | null;
  policy: Policy;
  /** The rows hold everything that happened before this moment, milliseconds. */
  asOf: number;
  /** How far the rows are behind the events, seconds. */
  lagSeconds: number;
}

/** The evidence at one of the moments that were judged. */
export interface TimelinePoint {
  /** End of a bucket at which something closed, milliseconds. */
  at: number;
  evidence: Record<CheckName, number>;
}

/** The verdict with everything that led to it. */
export interface Judgement {
  verdict: Verdict;
  reason: string;
  /** End of the bucket at which a promote or rollback was reached; null otherwise. */
  decidedAt: number | null;
  /** Labels of the canary still to be expected before a verdict; absent when that cannot be told. */
  labelsNeeded?: number;
  /** About how long these take at the present rate of labels, seconds; absent when that cannot be told. */
  secondsNeeded?: number;
  /** As of now, also after a verdict was reached. */
  checks: Check[];
  /**
   * With which probability, at most, a canary is rolled back that is no worse than the policy accepts: the alphas
   * of the alarms added up.
   */
  alpha: { rollback: number };
  /** Description only: coverage, and accuracy among the labelled. */
  labels: { baseline: LabelSummary; canary: LabelSummary };
  timeline: TimelinePoint[];
}

type Decision = { verdict: 'promote' | 'rollback'; reason: string; at: number };

/** Judges at the end of every bucket up to `asOf`; the same input always gives the same judgement. */
export function judgeCanary(input: JudgementInput): Judgement {
  const { bucketSeconds, ageEdgesSeconds } = input.policy;
  const blocks = closedBlocks(input.rows, { ...input, bucketSeconds, ageEdgesSeconds });
  const evidence = new Evidence(input.policy, onsetsOf({ ...input, bucketSeconds }));
  const timeline: TimelinePoint[] = [];
  let decision: Decision | null = null;
  for (const [at, newlyClosed] of polls(blocks, input)) {
    for (const block of newlyClosed) evidence.add(block);
    evidence.settle();
    decision ??= decide(evidence, input, at);
    timeline.push({ at, evidence: evidence.values() });
  }
  return {
    ...conclude(evidence, input, decision, labelRate(blocks, input)),
    checks: evidence.checks(),
    alpha: { rollback: rollbackAlpha(input.policy) },
    labels: { baseline: evidence.labels.summary('baseline'), canary: evidence.labels.summary('canary') },
    timeline,
  };
}

/** Closed blocks by the end of the bucket at which they are first seen. */
function polls(blocks: readonly Block[], { policy, asOf }: JudgementInput): Map<number, Block[]> {
  const width = policy.bucketSeconds * 1000;
  const byEnd = new Map<number, Block[]>();
  for (const block of blocks) {
    const at = Math.ceil(block.closesAt / width) * width;
    if (at > asOf) continue;
    const seen = byEnd.get(at);
    if (seen === undefined) byEnd.set(at, [block]);
    else seen.push(block);
  }
  return byEnd;
}

const BARS: readonly CheckName[] = ['wrong-up', 'right-lower', 'sample-ratio', 'errors-up', 'slow-up'];

/** Alarms that bar a promotion. */
function barsOf({ scores }: Policy): CheckName[] {
  return [...BARS, ...scores.map(scoreCheck)];
}

/** Alarms that roll back by themselves, whatever the labels say. */
function guardrailsOf({ latencyLimitMs, scores }: Policy): CheckName[] {
  return [
    'errors-up',
    ...(latencyLimitMs === undefined ? [] : (['slow-up'] as const)),
    ...scores.filter(({ onWorse }) => onWorse === 'rollback').map(scoreCheck),
  ];
}

function rollbackAlpha(policy: Policy): number {
  const alarms: CheckName[] = ['wrong-up', ...guardrailsOf(policy)];
  const total = alarms.reduce((sum, name) => sum + alphaOf(policy, name), 0);
  return Math.min(1, Number(total.toPrecision(12)));
}

function decide(evidence: Evidence, input: JudgementInput, at: number): Decision | null {
  if (isWorse(evidence) || guardrailsOf(input.policy).some((name) => evidence.has(name))) {
    return { verdict: 'rollback', reason: rollbackReason(sceneOf(evidence, input)), at };
  }
  const isBarred = barsOf(input.policy).some((name) => evidence.has(name));
  const isShown = neededToPromote(evidence).every((name) => evidence.has(name) || evidence.isWaived(name));
  if (isBarred || !isShown) return null;
  return { verdict: 'promote', reason: promoteReason(sceneOf(evidence, input)), at };
}

/** More corrections, and not just because users label more of everything. */
function isWorse(evidence: Evidence): boolean {
  return NEEDED_TO_ROLL_BACK.every((name) => evidence.has(name) || evidence.isWaived(name));
}

const NEEDED_TO_ROLL_BACK: readonly CheckName[] = ['wrong-up', 'right-not-higher'];

/** Evidence that the corrections became fewer at which they need an explanation; far below a proof. */
const SIGN_OF_FEWER_CORRECTIONS = 3;

/**
 * Fewer corrections may mean better answers or users who care less: then it takes as many confirmations as
 * before, not just nearly as many. Waiting for the proof that they became fewer would come too late, since
 * to be within the tolerance is proven sooner.
 */
function neededToPromote(evidence: Evidence): CheckName[] {
  const isLower = evidence.value('wrong-lower') >= SIGN_OF_FEWER_CORRECTIONS;
  // A score that was asked for and never seen is no good news either.
  return ['wrong-within', isLower ? 'right-held' : 'right-within', ...evidence.unseenScores()];
}

function conclude(
  evidence: Evidence,
  input: JudgementInput,
  decision: Decision | null,
  labelsPerSecond: number,
): Pick<Judgement, 'verdict' | 'reason' | 'decidedAt' | 'labelsNeeded' | 'secondsNeeded'> {
  const scene = sceneOf(evidence, input);
  if (decision?.verdict === 'rollback') return decided(decision);
  if (input.lagSeconds > input.policy.maxLagSeconds) {
    return { verdict: 'insufficient', reason: staleReason(input.lagSeconds, scene), decidedAt: null };
  }
  if (decision !== null) return decided(decision);
  if (evidence.labels.labels('baseline') === 0 || evidence.labels.labels('canary') === 0) {
    const reason = insufficientReason(input.startedAt, input.asOf, scene);
    return { verdict: 'insufficient', reason, decidedAt: null };
  }
  const labels = labelsNeeded(evidence, input.policy);
  const seconds = labels === null || labelsPerSecond === 0 ? null : Math.ceil(labels / labelsPerSecond);
  return {
    verdict: 'hold',
    reason: holdReason(scene, labels, seconds),
    decidedAt: null,
    ...(labels === null ? {} : { labelsNeeded: labels }),
    ...(seconds === null ? {} : { secondsNeeded: seconds }),
  };
}

function decided({ verdict, reason, at }: Decision): Pick<Judgement, 'verdict' | 'reason' | 'decidedAt'> {
  return { verdict, reason, decidedAt: at };
}

/** The nearer of the verdicts that are not barred, each at its slowest check. */
function labelsNeeded(evidence: Evidence, policy: Policy): number | null {
  const roads: (readonly CheckName[])[] = [NEEDED_TO_ROLL_BACK];
  if (!barsOf(policy).some((name) => evidence.has(name))) roads.push(neededToPromote(evidence));
  const lengths = roads.map((road) =>
    Math.max(...road.map((name) => evidence.labelsNeeded(name) ?? Infinity)),
  );
  const nearest = Math.min(...lengths);
  return Number.isFinite(nearest) ? nearest : null;
}

function sceneOf(evidence: Evidence, { baseline, canary, policy }: JudgementInput): Scene {
  return {
    baseline,
    canary,
    policy,
    checks: evidence.checks(),
    missing: neededToPromote(evidence).filter((name) => !evidence.has(name) && !evidence.isWaived(name)),
    confirmationsWaived: evidence.labels.areConfirmationsWaived(policy.confirmations),
  };
}
