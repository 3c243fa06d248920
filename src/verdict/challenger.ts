/**
 * Is the challenger good enough to be made the canary? One answer with its reason, from nothing but the rows
 * and the terms. It leads to nothing by itself.
 */
import type { ChallengerPolicy, ClaimOnChallenger } from '../event/challenger.js';
import type {
  ChallengerInput,
  ChallengerJudgement,
  ChallengerVerdict,
  ClaimState,
  PairCounts,
  PairRow,
} from './challenger-judgement.js';
import { challengerReason, type ChallengerScene } from './challenger-reasons.js';
import { evidenceWithin, evidenceWorse, oddsHeld, type PairedEvidence } from './paired.js';

/** Judges at the end of every bucket up to `asOf`; the same input always gives the same judgement. */
export function judgeChallenger(input: ChallengerInput): ChallengerJudgement {
  const { policy, rows, asOf } = input;
  const waitMs = (policy.bucketSeconds + policy.labelWindowSeconds) * 1000;
  const closed = rows.filter(({ bucket }) => bucket + waitMs <= asOf).sort((a, b) => a.bucket - b.bucket);
  const within = new Claim('within', evidenceWithin(policy.tolerance, policy.labelOdds[1]), policy);
  const worse = new Claim('worse', evidenceWorse(policy.tolerance, policy.labelOdds[0]), policy);
  closed.forEach((row, index) => {
    within.add(row);
    worse.add(row);
    if (closed[index + 1]?.bucket === row.bucket) return;
    within.settle(row.bucket + waitMs);
    worse.settle(row.bucket + waitMs);
  });
  return conclude(input, closed, within, worse);
}

/** A claim is answered when its evidence reaches the threshold at the end of a bucket, until it falls below 1. */
class Claim {
  shownAt: number | null = null;
  readonly threshold: number;

  constructor(
    readonly name: ClaimOnChallenger,
    readonly evidence: PairedEvidence,
    private readonly policy: ChallengerPolicy,
  ) {
    this.threshold = 1 / policy.alpha[name];
  }

  add(row: PairRow): void {
    this.evidence.add(row);
  }

  settle(at: number): void {
    const log = this.evidence.log();
    if (log >= Math.log(this.threshold)) this.shownAt ??= at;
    else if (log < 0) this.shownAt = null;
  }

  state(closed: readonly PairRow[]): ClaimState {
    const { tolerance, alpha, labelOdds } = this.policy;
    return {
      name: this.name,
      status: this.shownAt === null ? 'open' : 'shown',
      evidence: Math.exp(Math.min(this.evidence.log(), 700)),
      threshold: this.threshold,
      labelOdds: labelOdds[this.name === 'within' ? 1 : 0],
      holdsAtLabelOdds: oddsHeld(closed, this.name, tolerance, alpha[this.name]),
    };
  }

  /** Labels that are missing at the present growth of the evidence; null while it does not grow. */
  labelsNeeded(labels: number): number | null {
    const growth = this.evidence.best() / labels;
    return growth > 0 ? Math.ceil((Math.log(this.threshold) - this.evidence.log()) / growth) : null;
  }
}

function conclude(
  input: ChallengerInput,
  closed: readonly PairRow[],
  within: Claim,
  worse: Claim,
): ChallengerJudgement {
  const { policy, lagSeconds } = input;
  const pairs = countPairs(closed);
  const right = pairs.bothRight + pairs.onlyShownRight;
  const wrong = pairs.onlyChallengerRight + pairs.bothWrong + pairs.shownWrong;
  const isStale = lagSeconds > policy.maxLagSeconds;
  const verdict = verdictOf({ within, worse, right, wrong, isStale, policy });
  const labelsNeeded = verdict === 'undecided' ? nearest(within, worse, right + wrong) : null;
  const judged = {
    verdict,
    decidedAt: verdict === 'ready' ? within.shownAt : verdict === 'worse' ? worse.shownAt : null,
    claims: [within.state(closed), worse.state(closed)],
    pairs,
    wrongRatio: wrongRatio(closed, policy.labelOdds),
    shownAccuracy: right + wrong === 0 ? null : accuracies(right, wrong, policy.labelOdds),
    shadowed: countShadowed(input.rows),
    ...(labelsNeeded === null ? {} : { labelsNeeded }),
  };
  const scene: ChallengerScene = { ...input, ...judged, right, wrong, isStale };
  return { ...judged, reason: challengerReason(scene) };
}

interface Standing {
  within: Claim;
  worse: Claim;
  right: number;
  wrong: number;
  isStale: boolean;
  policy: ChallengerPolicy;
}

function verdictOf({ within, worse, right, wrong, isStale, policy }: Standing): ChallengerVerdict {
  if (worse.shownAt !== null) return 'worse';
  if (isStale || right + wrong === 0 || !areConfirmed(right, wrong, policy)) return 'insufficient';
  return within.shownAt === null ? 'undecided' : 'ready';
}

/**
 * Where users hardly ever confirm, nearly all labels are of predictions that the shown version got wrong, and any
 * challenger looks better on those. Then the range of odds means that most shown answers are wrong: not to be
 * believed without the operator saying so, by a wider range.
 */
export function areConfirmed(right: number, wrong: number, { labelOdds }: ChallengerPolicy): boolean {
  return right * labelOdds[1] >= wrong;
}

function nearest(within: Claim, worse: Claim, labels: number): number | null {
  const lengths = [within, worse].map((claim) => claim.labelsNeeded(labels) ?? Infinity);
  const least = Math.min(...lengths);
  return Number.isFinite(least) ? Math.max(1, least) : null;
}

function countPairs(closed: readonly PairRow[]): PairCounts {
  const counts = { bothRight: 0, onlyShownRight: 0, onlyChallengerRight: 0, bothWrong: 0, shownWrong: 0 };
  for (const { subjects, right, lost, won, unsure, wrong } of closed) {
    counts.bothRight += right - subjects * lost;
    counts.onlyShownRight += subjects * lost;
    counts.onlyChallengerRight += subjects * won;
    counts.bothWrong += subjects * (wrong - won - unsure);
    counts.shownWrong += subjects * unsure;
  }
  return counts;
}

/** Every subject counts alike in each bucket, as in the evidence. */
function wrongRatio(closed: readonly PairRow[], [low, high]: [number, number]): [number, number] | null {
  let lost = 0;
  let won = 0;
  let wrong = 0;
  for (const row of closed) {
    const weight = row.subjects / row.shadowed;
    lost += weight * row.lost;
    won += weight * row.won;
    wrong += weight * row.wrong;
  }
  if (wrong === 0) return null;
  const at = (odds: number): number => 1 + (odds * lost - won) / wrong;
  return [at(low), at(high)];
}

function accuracies(right: number, wrong: number, [low, high]: [number, number]): [number, number] {
  const at = (odds: number): number => right / (right + wrong / odds);
  return [at(low), at(high)];
}

function countShadowed(rows: readonly PairRow[]): ChallengerJudgement['shadowed'] {
  let predictions = 0;
  let agreed = 0;
  let failed = 0;
  for (const row of rows) {
    predictions += row.subjects * row.shadowed;
    agreed += row.agreed;
    failed += row.failed;
  }
  return { predictions, agreement: predictions === 0 ? null : agreed / predictions, failed };
}
