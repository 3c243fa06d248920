/**
 * Does the traffic arrive as the split says? A router that sends other users to the canary than it should,
 * or a log that loses some of them, makes the arms incomparable, whatever their labels say.
 *
 * What is counted are newcomers: subjects drawn for the first time (docs/decisions/0004). With the split in
 * force a newcomer goes to the canary with probability p; the alternatives shift its log odds. The mixture
 * of their exact binomial likelihood ratios is a martingale of mean 1 if the split is kept.
 *
 * Source: Lindon, Malek (2020), arXiv 2011.03567, with a fixed grid in place of a Dirichlet prior.
 */
import { logSumExp } from './e-process.js';

const LOG_ODDS_SHIFTS = [-0.5, -0.2, -0.1, -0.05, 0.05, 0.1, 0.2, 0.5];

/** The evidence that newcomers do not arrive as the split says, from the buckets added so far. */
export class SampleRatio {
  private readonly logs = LOG_ODDS_SHIFTS.map(() => 0);
  private baseline = 0;
  private canary = 0;
  private expected = 0;
  private variance = 0;

  /** One bucket: newcomers per arm under a split that gave the canary `share` of both, in (0, 1). */
  add(share: number, baseline: number, canary: number): void {
    if (share <= 0 || share >= 1) return;
    const odds = share / (1 - share);
    for (const [k, shift] of LOG_ODDS_SHIFTS.entries()) {
      const shiftedOdds = odds * Math.exp(shift);
      const shifted = shiftedOdds / (1 + shiftedOdds);
      this.logs[k]! += canary * Math.log(shifted / share) + baseline * Math.log((1 - shifted) / (1 - share));
    }
    this.baseline += baseline;
    this.canary += canary;
    this.expected += share * (baseline + canary);
    this.variance += share * (1 - share) * (baseline + canary);
  }

  get logEvidence(): number {
    return logSumExp(this.logs) - Math.log(this.logs.length);
  }

  /** Newcomers counted: of the baseline, of the canary, and what the canary should have received. */
  get counts(): { baseline: number; canary: number; expected: number } {
    return { baseline: this.baseline, canary: this.canary, expected: this.expected };
  }

  /** Canary's newcomers over the expected ones, with a 95 % interval (normal approximation, known p). */
  get ratio(): { estimate: number; interval: [number, number] } | null {
    if (this.expected === 0) return null;
    const halfWidth = 1.96 * Math.sqrt(this.variance);
    return {
      estimate: this.canary / this.expected,
      interval: [
        Math.max(0, this.canary - halfWidth) / this.expected,
        (this.canary + halfWidth) / this.expected,
      ],
    };
  }
}
