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

/** Buckets that the judge would have to go through before the oldest label age of one of them is seen. */
const BUCKETS_LIMIT = 10_000;

export type CanaryError = { kind: 'same-version' } | { kind: 'invalid'; field: FieldError };

export function canaryError(
  terms: { baseline: string; canary: string; policy: Policy; ramp?: number[] | undefined },
  pointer: string,
): CanaryError | null {
  if (terms.baseline === terms.canary) return { kind: 'same-version' };
  const field = policyError(terms.policy, `${pointer}/policy`);
  if (field !== null) return { kind: 'invalid', field };
  if (terms.ramp !== undefined && !isAscending(terms.ramp)) {
    return { kind: 'invalid', field: { pointer: `${pointer}/ramp`, detail: 'must ascend' } };
  }
  return null;
}

/** What is wrong with a policy whose fields are each in their range. */
export function policyError(
  { ageEdgesSeconds: edges, bucketSeconds, scores }: Policy,
  pointer: string,
): FieldError | null {
  if (edges[0] !== 0 || !isAscending(edges)) {
    return { pointer: `${pointer}/ageEdgesSeconds`, detail: 'must begin with 0 and ascend' };
  }
  const oldest = edges.at(-1) ?? 0;
  if (oldest / bucketSeconds > BUCKETS_LIMIT) {
    const detail =
      `is too short for label ages up to ${oldest} s: buckets of ${Math.ceil(oldest / BUCKETS_LIMIT)} s or more, ` +
      'or a lower last edge in ageEdgesSeconds';
    return { pointer: `${pointer}/bucketSeconds`, detail };
  }
  const repeated = scores.findIndex(({ name }, k) => scores.findIndex((one) => one.name === name) < k);
  if (repeated === -1) return null;
  return { pointer: `${pointer}/scores/${repeated}/name`, detail: 'is the name of a score before it' };
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

function isAscending(numbers: readonly number[]): boolean {
  return numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? Infinity));
}
