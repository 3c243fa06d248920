/**
 * Evidence against a bound on the canary's rate, that may be looked at as often as one likes.
 *
 * Two arms are seen in blocks: `nB` subjects of the baseline with `yB` events, `nC` of the canary with `yC`.
 * The null says that in every block the canary's rate lies on one side of a line in the baseline's rate,
 * `rateC <= offset + slope * rateB` ("above" is to be shown) or `>=` ("below" is to be shown). Per block the
 * likelihood of one alternative is divided by that of the point of the line closest to it in relative
 * entropy. The expectation of that ratio is at most 1 under the null, whatever was seen before, so the
 * product over blocks exceeds 1/alpha at any time with probability at most alpha (Ville's inequality).
 *
 * Scores in [0, 1] in place of 0 and 1 keep the bound: the ratio is convex in each score, so its expectation
 * is largest when the score is all or nothing.
 *
 * Source: Turner, Ly, Grünwald (2024), Generic E-variables for exact sequential k-sample tests, J. Stat.
 * Plan. Inference 230:106116; linear boundaries: Turner, Grünwald (2023), arXiv 2302.11401.
 */

export type Side = 'above' | 'below';

/** What is to be shown: that the canary's rate is above, or below, `offset + slope * baseline's rate`. */
export interface Claim {
  side: Side;
  /** Above 0. */
  slope: number;
  /** In [0, 1). */
  offset: number;
  /** Step of the alternatives: a share of the boundary, or of the offset where there is one. */
  unit: number;
}

/** One block of both arms. */
export interface Counts {
  /** Subjects of the baseline; of the canary. */
  nB: number;
  nC: number;
  /** Sum of their scores, each in [0, 1]. */
  yB: number;
  yC: number;
}

interface Alternative {
  /** Distance from the boundary, in units. */
  steps: number;
  /** Weight in the mixture; the weights of one list sum to 1. */
  weight: number;
}

/**
 * A threshold of 30 is 3.4 in logs, and an alternative of weight w costs up to -log w of that. So most of the
 * weight lies where it decides most often: a canary with a quarter more wrong answers stands 1.4 units above
 * the boundary of `wrong-up`, an equal one 1.1 above that of `right-within` and 0.9 below that of
 * `wrong-within`. The rest is for whatever else may be true. What this costs is measured in
 * docs/canary-power.md.
 */
const ALTERNATIVES: Record<Side, readonly Alternative[]> = {
  above: [
    { steps: 0.5, weight: 0.03 },
    { steps: 1, weight: 0.27 },
    { steps: 1.5, weight: 0.53 },
    { steps: 4, weight: 0.15 },
    { steps: 8, weight: 0.02 },
  ],
  below: [
    { steps: 0.5, weight: 0.1 },
    { steps: 1, weight: 0.5 },
    { steps: 1.5, weight: 0.3 },
    { steps: 3, weight: 0.1 },
  ],
};

/** Above a line with an offset, in units of it: a version that fails does so at any rate. */
const ABOVE_AN_OFFSET: readonly Alternative[] = [
  { steps: 0.5, weight: 0.05 },
  { steps: 1, weight: 0.2 },
  { steps: 2, weight: 0.35 },
  { steps: 4, weight: 0.25 },
  { steps: 8, weight: 0.15 },
];

function alternativesOf({ side, offset }: Claim): readonly Alternative[] {
  return side === 'above' && offset > 0 ? ABOVE_AN_OFFSET : ALTERNATIVES[side];
}

/** The line of a claim: the canary's rate at which the claim begins, given the baseline's rate. */
export function boundaryAt({ offset, slope }: Claim, rate: number): number {
  return offset + slope * rate;
}

/**
 * The canary's rate under an alternative, for a predicted rate `b` of the baseline. Null when there is
 * nothing to test there: the boundary lies outside (0, 1), or the alternative is not strictly on its side.
 */
export function alternativeAt(claim: Claim, b: number, steps: number): number | null {
  const boundary = boundaryAt(claim, b);
  if (boundary <= 0 || boundary >= 1) return null;
  const distance = steps * claim.unit * (claim.offset > 0 ? claim.offset : boundary);
  const c = clip(claim.side === 'above' ? boundary + distance : boundary - distance, 1e-5, 0.9995);
  const isOnItsSide = claim.side === 'above' ? c > boundary : c < boundary;
  return isOnItsSide ? c : null;
}

/**
 * The baseline's rate `th` at which the line comes closest to the alternative (b, c): the minimum of
 * `nB kl(b, th) + nC kl(c, offset + slope th)`. Lies between b and the rate at which the line reaches c.
 */
export function projection(claim: Claim, b: number, c: number, nB: number, nC: number): number {
  return claim.offset === 0
    ? rootThroughOrigin(claim.slope, b, c, nB, nC)
    : rootByNewton(claim, b, c, nB, nC);
}

/**
 * For a line through the origin the derivative is a quadratic, of which the smaller root is wanted; written
 * with the discriminant below the fraction, so that small rates lose no digits.
 */
function rootThroughOrigin(slope: number, b: number, c: number, nB: number, nC: number): number {
  const quadratic = slope * (nB + nC);
  const linear = nB * (1 + slope * b) + nC * (slope + c);
  const constant = nB * b + nC * c;
  return (2 * constant) / (linear + Math.sqrt(linear * linear - 4 * quadratic * constant));
}

/** Newton's method on the derivative, which rises with th; a step out of the bracket becomes a bisection. */
export function rootByNewton(claim: Claim, b: number, c: number, nB: number, nC: number): number {
  const { slope, offset } = claim;
  const meets = (c - offset) / slope;
  // Where the line reaches c only outside of [0, 1], the derivative still changes its sign before the end.
  let low = Math.max(0, Math.min(b, meets));
  let high = Math.min(1, Math.max(b, meets));
  let th = (nB * b + nC * Math.min(Math.max(meets, low), high)) / (nB + nC);
  for (let i = 0; i < 100; i++) {
    const q = offset + slope * th;
    const varB = th * (1 - th);
    const varC = q * (1 - q);
    const value = (nB * (th - b)) / varB + (nC * slope * (q - c)) / varC;
    if (value === 0) return th;
    if (value < 0) low = th;
    else high = th;
    const slopeB = (varB - (th - b) * (1 - 2 * th)) / (varB * varB);
    const slopeC = (varC - (q - c) * (1 - 2 * q)) / (varC * varC);
    const next = th - value / (nB * slopeB + nC * slope * slope * slopeC);
    const moved = next > low && next < high ? next : (low + high) / 2;
    if (Math.abs(moved - th) <= 1e-15 * th) return moved;
    th = moved;
  }
  return th;
}

/** Logarithm of one block's likelihood ratio: the alternative (b, c) against its projection. */
export function logRatio(claim: Claim, b: number, c: number, { nB, yB, nC, yC }: Counts): number {
  const th = projection(claim, b, c, nB, nC);
  const q = boundaryAt(claim, th);
  return (
    yB * Math.log(b / th) +
    (nB - yB) * Math.log((1 - b) / (1 - th)) +
    yC * Math.log(c / q) +
    (nC - yC) * Math.log((1 - c) / (1 - q))
  );
}

/**
 * The baseline's rate per age bin, from earlier blocks alone: the alternative must be fixed before a block
 * is seen. Older blocks fade (half of the weight lies in the last 23), so that it follows a drift.
 */
export class RateForecast {
  private readonly bins: { events: number; subjects: number }[] = [];

  /** In [1e-4, 0.999]; 1 in 20 before anything was seen. */
  at(bin: number): number {
    const { events, subjects } = this.bins[bin] ?? { events: 1, subjects: 20 };
    return clip(events / subjects, 1e-4, 0.999);
  }

  learn(bin: number, { nB, yB }: Counts): void {
    if (nB === 0) return;
    const { events, subjects } = this.bins[bin] ?? { events: 1, subjects: 20 };
    this.bins[bin] = { events: 0.97 * events + yB, subjects: 0.97 * subjects + nB };
  }
}

/** A moment from which evidence is counted afresh, and its part of the mixture. */
export interface Onset {
  /** Buckets that begin at this moment or later count, milliseconds. */
  from: number;
  weight: number;
}

export const FROM_THE_START: readonly Onset[] = [{ from: -Infinity, weight: 1 }];

/**
 * The evidence for one claim: a mixture over the alternatives and, where harm may set in late, over the
 * moments at which it may have done so. A mixture of e-processes is one; what the onsets leave of the
 * weight 1, and an onset that has not come, stay in it as the constant 1.
 */
export class EProcess {
  private readonly alternatives: readonly Alternative[];
  /** Logs of the parts of the mixture: all alternatives of the first onset, of the second, ..., the constant. */
  private readonly parts: number[];
  private readonly partsAtStart: readonly number[];
  private peak = 0;

  constructor(
    private readonly claim: Claim,
    private readonly onsets: readonly Onset[] = FROM_THE_START,
  ) {
    this.alternatives = alternativesOf(claim);
    const weights = onsets.flatMap((onset) => this.alternatives.map(({ weight }) => onset.weight * weight));
    const idle = 1 - onsets.reduce((sum, { weight }) => sum + weight, 0);
    this.partsAtStart = (idle > 1e-12 ? [...weights, idle] : weights).map(Math.log);
    this.parts = [...this.partsAtStart];
  }

  /** Takes in one block; `b` is the baseline's rate as it was forecast without this block. */
  add(bucket: number, b: number, counts: Counts): void {
    if (counts.nB === 0 || counts.nC === 0) return;
    const width = this.alternatives.length;
    for (let k = 0; k < width; k++) {
      const c = alternativeAt(this.claim, b, this.alternatives[k]!.steps);
      if (c === null) continue;
      const gained = logRatio(this.claim, b, c, counts);
      for (let i = 0; i < this.onsets.length; i++) {
        if (bucket >= this.onsets[i]!.from) this.parts[i * width + k]! += gained;
      }
    }
    this.peak = Math.max(this.peak, this.logEvidence);
  }

  get logEvidence(): number {
    return logSumExp(this.parts);
  }

  /**
   * The highest log evidence after any block since the last call. The guarantee holds after every block, so
   * that a threshold reached in the midst of a bucket counts as reached.
   */
  takePeak(): number {
    const peak = this.peak;
    this.peak = this.logEvidence;
    return peak;
  }

  /** The log evidence of the alternative that explains the blocks best, since the first onset. */
  get leadingLog(): number {
    return Math.max(...this.alternatives.map((_, k) => this.parts[k]! - this.partsAtStart[k]!));
  }
}

/** `log(sum of exp(term))` without overflow. */
export function logSumExp(terms: readonly number[]): number {
  let largest = -Infinity;
  for (const term of terms) if (term > largest) largest = term;
  let sum = 0;
  for (const term of terms) sum += Math.exp(term - largest);
  return largest + Math.log(sum);
}

function clip(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
