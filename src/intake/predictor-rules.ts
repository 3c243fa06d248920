/** What JSON schemas cannot say about splits and canaries; the same for HTTP requests and back-filled events. */
import type { Policy } from '../event/policy.js';
import type { Split } from '../event/predictor.js';
import type { FieldError } from '../problem.js';
import { escapePointer } from '../http/validation.js';

/** Shares are doubles: 0.1 + 0.2 + 0.7 must do. */
const SUM_TOLERANCE = 1e-9;

/**
 * @param known the deployed versions, where they must be deployed already
 */
export function splitError(split: Split, pointer: string, known?: ReadonlySet<string>): FieldError | null {
  const unknown = known && Object.keys(split).find((version) => !known.has(version));
  if (unknown !== undefined) {
    const deployed = [...(known ?? [])].join(', ');
    return {
      pointer: `${pointer}/${escapePointer(unknown)}`,
      detail: `is not a deployed version (${deployed})`,
    };
  }
  const sum = Object.values(split).reduce((total, share) => total + share, 0);
  return Math.abs(sum - 1) <= SUM_TOLERANCE ? null : { pointer, detail: `shares must sum to 1, not ${sum}` };
}

export type CanaryError = { kind: 'same-version' } | { kind: 'invalid'; field: FieldError };

export function canaryError(
  terms: { baseline: string; canary: string; policy: Policy; ramp?: number[] | undefined },
  pointer: string,
): CanaryError | null {
  if (terms.baseline === terms.canary) return { kind: 'same-version' };
  const edges = terms.policy.ageEdgesSeconds;
  if (edges[0] !== 0 || !isAscending(edges)) {
    return invalid(`${pointer}/policy/ageEdgesSeconds`, 'must begin with 0 and ascend');
  }
  if (terms.ramp !== undefined && !isAscending(terms.ramp)) return invalid(`${pointer}/ramp`, 'must ascend');
  return null;
}

/** Of a challenger; a policy in the wrong form is another's to refuse. */
export function challengerError(
  terms: {
    baseline: string;
    challenger: string;
    policy?: { labelOdds?: readonly number[] | undefined } | undefined;
  },
  pointer: string,
): FieldError | null {
  if (terms.baseline === terms.challenger) {
    return { pointer: `${pointer}/challenger`, detail: 'is the baseline itself' };
  }
  return labelOddsError(terms.policy?.labelOdds, `${pointer}/policy/labelOdds`);
}

export function labelOddsError(odds: readonly number[] | undefined, pointer: string): FieldError | null {
  if (!Array.isArray(odds) || odds.length !== 2) return null;
  const [low, high] = odds as [number, number];
  return low <= high ? null : { pointer, detail: 'must not descend: the lowest odds, then the highest' };
}

function invalid(pointer: string, detail: string): CanaryError {
  return { kind: 'invalid', field: { pointer, detail } };
}

function isAscending(numbers: readonly number[]): boolean {
  return numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? Infinity));
}
