/**
 * Lets a request through to its route, or says why not: who asks, whether the key has the scope, whether it is
 * good for the predictor. Runs before the body is read and before any earlier answer is looked for.
 */
import type { FastifyRequest } from 'fastify';
import { predictionStream } from '../event/envelope.js';
import { foldPrediction } from '../event/prediction.js';
import { Problem, unknownPrediction } from '../problem.js';
import type { EventStore } from '../store/event-store.js';
import { ANYBODY, type Caller, hasScope, limitsOf, mayTouch, requirePredictor } from './caller.js';
import { type KeyRing, unauthenticated } from './key-ring.js';
import type { RouteAccess } from './scope.js';

type Done = (error?: Error) => void;
export type Guard = (request: FastifyRequest, reply: unknown, done: Done) => void;

type Scoped = Extract<RouteAccess, { kind: 'scope' }>;

export interface GuardNeeds {
  ring: KeyRing;
  store: Pick<EventStore, 'readStream'>;
  /** Pages of these may write while no key is asked for. */
  corsOrigins: readonly string[];
}

/** The guard of one route; null where everybody may pass. */
export function guardOf(access: RouteAccess, needs: GuardNeeds): Guard | null {
  if (access.kind === 'public') return null;
  if (access.kind === 'cron') return cronGuard;
  // With a callback: nearly always it is known at once who asks, and no promise is needed.
  return (request, _reply, done) => {
    let later: Promise<void> | null;
    try {
      const wait = needs.ring.refresh(Date.now());
      const pass = (): Promise<void> | null => enter(request, access, needs);
      later = wait === null ? pass() : wait.then(() => pass() ?? undefined);
    } catch (error) {
      return done(error as Error);
    }
    if (later === null) done();
    else later.then(() => done(), done);
  };
}

/** @returns null when the request may pass now, else what decides it; throws when it may not */
function enter(request: FastifyRequest, access: Scoped, needs: GuardNeeds): Promise<void> | null {
  const caller = identify(request, needs);
  if (caller !== undefined) return admit(request, caller, access, needs);
  const { underWay } = needs.ring;
  if (underWay === null) throw unknownKey();
  // The key may just have been made by another instance.
  return underWay.then(() => {
    const known = identify(request, needs);
    if (known === undefined) throw unknownKey();
    return admit(request, known, access, needs) ?? undefined;
  });
}

function unknownKey(): Problem {
  return unauthenticated('This API key is not known here. `assay keys list` shows which are.', true);
}

/** Who asks; undefined when the key is not known. */
function identify(request: FastifyRequest, { ring, corsOrigins }: GuardNeeds): Caller | undefined {
  if (!ring.isOpen) return ring.callerOf(request.headers.authorization, Date.now());
  requireLocalPage(request, corsOrigins);
  return ANYBODY;
}

function admit(
  request: FastifyRequest,
  caller: Caller,
  { anyOf, reach }: Scoped,
  { store }: GuardNeeds,
): Promise<void> | null {
  if (!anyOf.some((scope) => hasScope(caller, scope))) throw missingScope(anyOf);
  request.caller = caller;
  if (caller.predictors === null || reach === 'own') return null;
  const params = request.params as Record<string, string>;
  if (reach === 'prediction') return requirePrediction(caller, params.id ?? '', store);
  if (reach === 'all') {
    throw new Problem(
      'other-predictor',
      `This is about all predictors, and the key is limited to ${limitsOf(caller)}. Use one without a limit.`,
    );
  }
  // By its name alone, so that the answer does not tell whether there is such a predictor.
  requirePredictor(caller, params.predictor ?? '');
  return null;
}

/** A prediction of another predictor is as unknown to a limited key as one that does not exist. */
async function requirePrediction(
  caller: Caller,
  id: string,
  store: Pick<EventStore, 'readStream'>,
): Promise<void> {
  const { answer } = foldPrediction(await store.readStream(predictionStream(id)));
  if (answer === null || !mayTouch(caller, answer.predictor)) throw unknownPrediction(id);
}

function missingScope(anyOf: Scoped['anyOf']): Problem {
  const scopes = anyOf.map((scope) => `"${scope}"`).join(' or ');
  return new Problem('missing-scope', `This needs a key with the scope ${scopes}.`, {
    headers: {
      'www-authenticate': `Bearer realm="assay", error="insufficient_scope", scope="${anyOf.join(' ')}"`,
    },
    members: { scopes: anyOf },
  });
}

const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;
const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Without keys every program of this machine may do everything, but not the pages of other sites that its
 * browser shows: those that reach us under a name of their own, and those that send without asking first.
 */
function requireLocalPage({ headers, method }: FastifyRequest, corsOrigins: readonly string[]): void {
  const { host = '', origin } = headers;
  if (!LOOPBACK_HOST.test(host)) {
    throw new Problem(
      'foreign-host',
      `Without API keys only localhost and 127.0.0.1 are answered, not "${host.slice(0, 256)}". Create a key with \`assay keys create\`.`,
    );
  }
  if (origin === undefined || READS.has(method)) return;
  if (origin === `http://${host}` || corsOrigins.includes(origin)) return;
  throw new Problem(
    'cross-site',
    'A page of another site may not change anything here. Name its origin in ASSAY_CORS_ORIGINS if it should.',
  );
}

const cronGuard: Guard = (request, _reply, done) => {
  if (request.headers['x-appengine-cron'] === 'true') return done();
  done(
    new Problem(
      'cron-only',
      'Only the cron of App Engine may ask for this. A person uses POST /v1/rebuilds with an admin key.',
    ),
  );
};
