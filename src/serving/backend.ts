/** The port to whatever predicts: input in, ranked candidates out. */
import type { Candidate, FailureKind } from '../event/prediction.js';

/** One deployed version that can be asked; safe to ask many times at once. */
export interface Backend {
  /**
   * @param input as the caller gave it
   * @param limit at most so many candidates are wanted; more may come back and are cut off
   * @param traceparent W3C trace context of this call, for backends that can hand it on; given while traces are kept
   * @returns candidates, best first, their labels well-formed text without U+0000, their confidences finite
   * @throws BackendFailure when there is no usable answer
   */
  predict(input: unknown, limit: number, traceparent?: string): Promise<Candidate[]>;

  /**
   * Lets go of connections.
   * @param atOnce without waiting for answers that are still to come
   */
  close(atOnce?: boolean): Promise<void>;
}

/** Why there is no answer; recorded as `assay.prediction.failed`. */
export class BackendFailure extends Error {
  override readonly name = 'BackendFailure';

  constructor(
    /** timeout: too slow; unreachable: no connection; rejected: an error status; invalid: an answer that cannot be read. */
    readonly kind: FailureKind,
    message: string,
  ) {
    // May be cut out of an answer, in the middle of a character; an event that is not well-formed counts nowhere.
    super(message.toWellFormed());
  }
}
