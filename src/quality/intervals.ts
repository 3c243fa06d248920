/** Confidence intervals for shares. */

export interface Interval {
  low: number;
  high: number;
}

/** The two-sided 95 % quantile of the normal distribution. */
export const Z_95 = 1.959963984540054;

/**
 * Wilson's score interval for a share of which `successes` out of `n` were seen. Unlike the textbook interval
 * it stays inside [0, 1] and keeps its level for small n and for shares near 0 or 1.
 *
 *     centre = (p + z^2 / 2n) / (1 + z^2 / n)
 *     half   = z / (1 + z^2 / n) * sqrt(p (1 - p) / n + z^2 / 4n^2)
 *
 * Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal of the
 * American Statistical Association 22 (1927), 209-212.
 *
 * @param successes 0 to n
 * @param n number of trials, from 0
 * @param z quantile of the normal distribution for the level wanted, from 0
 * @returns null when n is 0: nothing was seen, nothing can be said
 * @throws RangeError for anything else out of range
 */
export function wilson(successes: number, n: number, z = Z_95): Interval | null {
  if (!(n >= 0 && successes >= 0 && successes <= n && z >= 0)) {
    throw new RangeError(`wilson needs 0 <= successes <= n and z >= 0, got ${successes}, ${n} and ${z}`);
  }
  if (n === 0) return null;
  const share = successes / n;
  const scale = 1 + (z * z) / n;
  const centre = (share + (z * z) / (2 * n)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  // At the ends the two terms cancel but for rounding.
  return {
    low: successes === 0 ? 0 : Math.max(0, centre - half),
    high: successes === n ? 1 : Math.min(1, centre + half),
  };
}
