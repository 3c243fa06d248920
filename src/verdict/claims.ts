/**
 * What the judge tries to show, as bounds on the canary's rate. With the tolerance at 0.10: that it gives
 * wrong answers at more than 1.10 times the baseline's rate, that it stays within that, and so on.
 */
import type { FixedCheckName, Policy } from '../event/policy.js';
import type { Claim } from './e-process.js';

/** The rate a claim is about. */
export type Rate = 'wrong' | 'right' | 'errors' | 'slow';

export type ClaimName = Exclude<FixedCheckName, 'sample-ratio'>;

/** Additional share of failed, and of slow, predictions that is not worth stopping a canary for. */
const ERRORS_OFFSET = 0.005;
const SLOW_OFFSET = 0.01;

/** All claims by name, and the rate that each is about. */
export function claimsOf({
  tolerance,
}: Pick<Policy, 'tolerance'>): Record<ClaimName, Claim & { rate: Rate }> {
  // The widest alternative on the side "below" is four units away and must stay above zero.
  const unit = Math.min(tolerance, 0.2);
  // A tolerance of 1 would let the confirmations fall to nothing.
  const fall = Math.min(tolerance, 0.9);
  return {
    'wrong-up': { rate: 'wrong', side: 'above', slope: 1 + tolerance, offset: 0, unit },
    'wrong-within': { rate: 'wrong', side: 'below', slope: 1 + tolerance, offset: 0, unit },
    'wrong-lower': { rate: 'wrong', side: 'below', slope: 1, offset: 0, unit },
    'right-lower': { rate: 'right', side: 'below', slope: 1, offset: 0, unit: unit / 2 },
    'right-within': { rate: 'right', side: 'above', slope: 1 - fall, offset: 0, unit },
    'right-held': { rate: 'right', side: 'above', slope: 1 - fall / 4, offset: 0, unit: unit / 2 },
    'right-not-higher': { rate: 'right', side: 'below', slope: 1 + tolerance, offset: 0, unit },
    'errors-up': { rate: 'errors', side: 'above', slope: 1, offset: ERRORS_OFFSET, unit: 1 },
    'slow-up': { rate: 'slow', side: 'above', slope: 1, offset: SLOW_OFFSET, unit: 1 },
  };
}
