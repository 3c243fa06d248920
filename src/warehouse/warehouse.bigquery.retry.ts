/** Trying again: with exponential back-off and jitter, a bounded number of times, and never for ever. */

export interface RetryPolicy {
  /** Tries in all, from 1. */
  readonly attempts: number;
  /** Longest wait before the second try, milliseconds; each wait may be twice as long as the one before, */
  readonly firstMs: number;
  /** but no longer than this. */
  readonly limitMs: number;
}

/** What the waits depend on besides. */
export interface Chance {
  /** From 0 to below 1. */
  random(): number;
  wait(milliseconds: number): Promise<void>;
}

export const CHANCE: Chance = {
  random: Math.random,
  wait: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

/**
 * Does the work until it succeeds, fails for good, or has been tried often enough; then its last error is thrown.
 * The waits are drawn evenly from 0 up to their limit, so that many callers do not come back at the same moment.
 */
export async function retrying<T>(
  policy: RetryPolicy,
  mayPass: (error: unknown) => boolean,
  work: () => Promise<T>,
  chance: Chance = CHANCE,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= policy.attempts || !mayPass(error)) throw error;
      const limit = Math.min(policy.firstMs * 2 ** (attempt - 1), policy.limitMs);
      await chance.wait(chance.random() * limit);
    }
  }
}

/** It took longer than it may; what became of it is not known. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut';
}

/** @throws TimedOut when the work has not settled after so many milliseconds; it is not stopped by that */
export async function within<T>(milliseconds: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new TimedOut(`${what} did not answer within ${milliseconds / 1000} s`);
    timer = setTimeout(() => reject(error), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
