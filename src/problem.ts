/**
 * Every failure that a client can meet, as RFC 9457 problem details: a stable code, an HTTP status, and a
 * sentence that says what to do next.
 */

export interface FieldError {
  /** RFC 6901 JSON pointer into the body; `?name` for a query parameter. */
  pointer: string;
  detail: string;
}

const PROBLEMS = {
  'invalid-request': [400, 'The request is not valid'],
  'malformed-json': [400, 'The body is not JSON'],
  unauthenticated: [401, 'A valid API key is needed'],
  'missing-scope': [403, 'The API key may not do this'],
  'other-predictor': [403, 'The API key is limited to other predictors'],
  'cron-only': [403, 'Only the scheduler may ask for this'],
  'foreign-host': [403, 'The request was meant for another host'],
  'cross-site': [403, 'The request comes from a page of another site'],
  'not-found': [404, 'There is nothing under this address'],
  'unknown-predictor': [404, 'Unknown predictor'],
  'unknown-version': [404, 'Unknown version'],
  'unknown-prediction': [404, 'Unknown prediction'],
  'unknown-correction': [404, 'Unknown correction'],
  'unknown-rebuild': [404, 'Unknown rebuild'],
  'unknown-key': [404, 'Unknown API key'],
  'no-canary': [404, 'No canary runs'],
  'unknown-challenger': [404, 'Unknown challenger'],
  'other-canary': [409, 'Another version is the canary'],
  conflict: [409, 'The request does not fit the present state'],
  'too-large': [413, 'The body is too large'],
  'unsupported-media-type': [415, 'Unsupported media type'],
  'idempotency-key-reused': [422, 'The Idempotency-Key was used with another body'],
  'rate-limited': [429, 'Too many requests'],
  'internal-error': [500, 'Something went wrong inside the service'],
  'predictor-unreachable': [502, 'The predictor could not be reached'],
  'predictor-rejected': [502, 'The predictor refused the request'],
  'predictor-invalid': [502, 'The predictor gave an answer that cannot be read'],
  'predictor-timeout': [504, 'The predictor did not answer in time'],
  'store-unavailable': [503, 'The event store cannot be reached or written'],
  'warehouse-unavailable': [503, 'The warehouse cannot answer now'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof PROBLEMS;

export interface ProblemExtras {
  errors?: FieldError[];
  /** Response headers, `retry-after` for one. */
  headers?: Record<string, string>;
  /** Members of the problem document beside the standard ones. */
  members?: Record<string, unknown>;
}

export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly title: string;

  constructor(
    readonly code: ProblemCode,
    detail: string,
    readonly extras: ProblemExtras = {},
  ) {
    super(detail);
    [this.status, this.title] = PROBLEMS[code];
  }

  /** The body of the answer, media type `application/problem+json`. */
  toDocument(): Record<string, unknown> {
    return {
      type: `urn:assay:problem:${this.code}`,
      title: this.title,
      status: this.status,
      detail: this.message,
      ...(this.extras.errors === undefined ? {} : { errors: this.extras.errors }),
      ...this.extras.members,
    };
  }
}

/** A 400 that names each field that is wrong. */
export function invalidRequest(errors: FieldError[]): Problem {
  const first = errors[0];
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const detail =
    first === undefined ? 'The request is not valid.' : `${first.pointer || '/'}: ${first.detail}${more}`;
  return new Problem('invalid-request', detail, { errors });
}

export function unknownPrediction(predictionId: string): Problem {
  return new Problem(
    'unknown-prediction',
    `There is no prediction "${predictionId}". Use the id that the predict call answered, or record it first with POST /v1/events.`,
  );
}
