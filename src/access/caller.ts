/** Who asks, as far as the service knows: what the key of a request allows. Pure. */
import type { Scope } from '../event/access.js';
import { CORRECTION_RETRACTED, PREDICTION_CORRECTED } from '../event/prediction.js';
import { Problem } from '../problem.js';

export interface Caller {
  /** Null where no key is needed. */
  readonly keyId: string | null;
  readonly scopes: ReadonlySet<Scope>;
  /** The only predictors it may touch; null: all. */
  readonly predictors: ReadonlySet<string> | null;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on every route that is not public. */
    caller: Caller;
  }
}

/** Whoever reaches a service that has no keys. */
export const ANYBODY: Caller = { keyId: null, scopes: new Set<Scope>(['admin']), predictors: null };

export function hasScope({ scopes }: Caller, scope: Scope): boolean {
  return scopes.has(scope) || scopes.has('admin');
}

export function mayTouch({ predictors }: Caller, predictor: string): boolean {
  return predictors === null || predictors.has(predictor);
}

/** @throws Problem other-predictor */
export function requirePredictor(caller: Caller, predictor: string): void {
  if (mayTouch(caller, predictor)) return;
  throw new Problem(
    'other-predictor',
    `This key is limited to ${limitsOf(caller)}. Use a key that is good for "${predictor}".`,
  );
}

/** The predictors of a limited key, for messages. */
export function limitsOf({ predictors }: Caller): string {
  return [...(predictors ?? [])].join(', ');
}

const CORRECTION_TYPES = new Set([PREDICTION_CORRECTED, CORRECTION_RETRACTED]);

/** The scope that it takes to send an event of a known type. */
export function scopeOfEvent(type: string): Scope {
  if (type.startsWith('assay.predictor.')) return 'deploy';
  return CORRECTION_TYPES.has(type) ? 'correct' : 'predict';
}

/**
 * Why a caller may not send an event, or null.
 * @param predictor the one it names; null when it names none
 */
export function eventRefusal(caller: Caller, type: string, predictor: string | null): string | null {
  const scope = scopeOfEvent(type);
  if (!hasScope(caller, scope)) return `needs a key with the scope "${scope}"`;
  if (predictor === null || mayTouch(caller, predictor)) return null;
  return `the key is limited to ${limitsOf(caller)}`;
}
