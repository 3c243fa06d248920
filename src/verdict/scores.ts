/**
 * User-defined scores: a number in [0, 1] that comes with each prediction must not get worse by more than its
 * tolerance. Turned so that lower is better, the claim is that of `slow-up`: the canary's mean lies above the
 * baseline's plus the tolerance. The e-process takes a score as it takes the share of a subject's predictions
 * that were slow: as a part of an event. Scores that vary little are counted as if they were all or nothing,
 * which keeps the guarantee and takes more predictions than their spread would need.
 */
import { scoreCheck, type Score } from '../event/policy.js';
import type { ScoreMeans } from './cells.js';
import { type Claim, type Counts, EProcess } from './e-process.js';
import { PooledRatio } from './pooled-ratio.js';

/** Unit of the alternatives on the scale of the score: the tolerance, but neither tiny nor huge. */
const LEAST_STEP = 0.005;
const GREATEST_STEP = 0.05;

/** That the canary's mean lies above the baseline's by more than the tolerance, in (0, 1); lower is better. */
export function scoreClaim({ tolerance }: Pick<Score, 'tolerance'>): Claim {
  const step = Math.min(Math.max(tolerance, LEAST_STEP), GREATEST_STEP);
  return { side: 'above', slope: 1, offset: tolerance, unit: step / tolerance };
}

const NOTHING: ScoreMeans = { subjects: 0, sum: 0, leftOut: 0 };

/** One score on both arms, and the evidence that the canary's is worse. */
export class ScoreWatch {
  /** Of the scores as they were given, whichever way is better. */
  readonly ratio = new PooledRatio();
  readonly process: EProcess;
  readonly subjects = { baseline: 0, canary: 0 };
  readonly leftOut = { baseline: 0, canary: 0 };
  private readonly forecast = new ScoreForecast();

  constructor(private readonly score: Score) {
    this.process = new EProcess(scoreClaim(score));
  }

  get check() {
    return scoreCheck(this.score);
  }

  add(bucket: number, baseline: ScoreMeans = NOTHING, canary: ScoreMeans = NOTHING): void {
    const given = { nB: baseline.subjects, nC: canary.subjects, yB: baseline.sum, yC: canary.sum };
    const counts = this.score.better === 'lower' ? given : turned(given);
    const b = this.forecast.next;
    if (b !== null) this.process.add(bucket, b, counts);
    this.forecast.learn(counts);
    this.ratio.add(given);
    this.subjects.baseline += given.nB;
    this.subjects.canary += given.nC;
    this.leftOut.baseline += baseline.leftOut;
    this.leftOut.canary += canary.leftOut;
  }

  /** Whether there was anything to compare. Without, nothing is known of the score. */
  get isSeen(): boolean {
    return this.subjects.baseline > 0 && this.subjects.canary > 0;
  }
}

/** Each score as its distance from 1. */
function turned({ nB, nC, yB, yC }: Counts): Counts {
  return { nB, nC, yB: Math.max(0, nB - yB), yC: Math.max(0, nC - yC) };
}

/**
 * The baseline's mean, from earlier buckets alone. A score may lie anywhere in [0, 1], so unlike a rate of
 * errors it has no first guess: the first bucket is only learnt from.
 */
class ScoreForecast {
  private sum = 0.5;
  private subjects = 1;
  private hasLearnt = false;

  /** In [1e-4, 0.999]; null before anything was seen. */
  get next(): number | null {
    return this.hasLearnt ? Math.min(Math.max(this.sum / this.subjects, 1e-4), 0.999) : null;
  }

  learn({ nB, yB }: Counts): void {
    if (nB === 0) return;
    this.hasLearnt = true;
    this.sum = 0.97 * this.sum + yB;
    this.subjects = 0.97 * this.subjects + nB;
  }
}
