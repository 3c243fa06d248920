/**
 * What stands before every route of the HTTP server: security headers, CORS, the guard, the rate limit. Every
 * route that is registered passes through here, and one that does not say what it asks of its caller stops the
 * service at its start.
 */
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import { fastify, type FastifyInstance, type FastifyRequest, type RouteOptions } from 'fastify';
import type { Configuration, RateLimit } from '../configuration.js';
import { Problem } from '../problem.js';
import type { EventStore } from '../store/event-store.js';
import type { Caller } from './caller.js';
import { type Guard, guardOf } from './guard.js';
import type { KeyRing } from './key-ring.js';
import type { RouteAccess } from './scope.js';

/** A route and what it asks of its caller. */
export interface DeclaredRoute {
  method: string;
  /** As it is registered: `/v1/predictions/:id`. */
  url: string;
  access: RouteAccess;
}

export interface ProtectionNeeds {
  configuration: Pick<Configuration, 'corsOrigins' | 'rateLimit'>;
  ring: KeyRing;
  store: Pick<EventStore, 'readStream'>;
  /** Whether an address belongs to the pages that show the API: they hold no data, and need scripts and styles. */
  isPage: (url: string) => boolean;
}

type Headers = Record<string, string>;

/** One year, seconds: as long as browsers ask for. */
const HSTS_SECONDS = 31_536_000;

/**
 * Must run before the routes are registered.
 * @returns the routes, complete once the server is ready
 */
export async function protect(server: FastifyInstance, needs: ProtectionNeeds): Promise<DeclaredRoute[]> {
  const routes: DeclaredRoute[] = [];
  server.decorateRequest('caller', null as never);
  server.addHook('onRoute', (route) => declare(route, routes, needs));
  await addSecurityHeaders(server, needs.isPage);
  await allowOrigins(server, needs.configuration.corsOrigins);
  await limitRates(server, effectiveLimit(needs));
  return routes;
}

/** @throws Error when the route does not say what it asks of its caller, or says what cannot be */
function declare(route: RouteOptions, routes: DeclaredRoute[], needs: ProtectionNeeds): void {
  const { url } = route;
  const methods = [route.method].flat();
  // The preflight of CORS; the route itself asks for a key.
  const isOpenToAll = needs.isPage(url) || (url === '*' && methods.every((method) => method === 'OPTIONS'));
  const access = route.config?.access ?? (isOpenToAll ? ({ kind: 'public' } as const) : undefined);
  const name = `${methods.join('|')} ${url}`;
  if (access === undefined) {
    throw new Error(`${name} does not say what it asks of its caller: give it @Scope(...) or @Public()`);
  }
  requireReach(name, url, access);
  routes.push(...methods.map((method) => ({ method, url, access })));
  const { ring, store, configuration } = needs;
  const guard = guardOf(access, { ring, store, corsOrigins: configuration.corsOrigins });
  if (guard !== null) route.onRequest = [guard, ...hooksOf(route.onRequest)] as never;
}

function hooksOf(hooks: unknown): Guard[] {
  return hooks === undefined ? [] : ([hooks].flat() as Guard[]);
}

/** Limited keys are held to what the address names, so the address must name it. */
function requireReach(name: string, url: string, access: RouteAccess): void {
  if (access.kind !== 'scope') return;
  const named = url.includes('/:predictor')
    ? 'predictor'
    : url.startsWith('/v1/predictions/:id')
      ? 'prediction'
      : null;
  const claimed = access.reach === 'predictor' || access.reach === 'prediction' ? access.reach : null;
  if (named !== claimed) {
    throw new Error(`${name} names ${named ?? 'no predictor'} in its address, so "${access.reach}" is wrong`);
  }
}

/**
 * helmet computes the same headers for every request; asked once, they cost the hot path a copy. Transport
 * security is for those who came by https: the proxy in front says so.
 */
async function addSecurityHeaders(server: FastifyInstance, isPage: (url: string) => boolean): Promise<void> {
  const forData = await headersOfHelmet('data', { defaultSrc: NONE });
  const forPages = await headersOfHelmet('page', {
    defaultSrc: ["'self'"],
    styleSrc: ["'self'", "'unsafe-inline'"],
    imgSrc: ["'self'", 'data:'],
    objectSrc: NONE,
  });
  const transportSecurity = `max-age=${HSTS_SECONDS}; includeSubDomains`;
  server.addHook('onRequest', (request, reply, done) => {
    reply.headers(isPage(request.url) ? forPages : forData);
    if (request.headers['x-forwarded-proto'] === 'https') {
      reply.header('strict-transport-security', transportSecurity);
    }
    done();
  });
}

const NONE = ["'none'"];

/** What @fastify/helmet sends with these directives, without what no browser of today reads. */
async function headersOfHelmet(
  kind: 'data' | 'page',
  directives: Record<string, string[]>,
): Promise<Headers> {
  // Data is no document: how a page is framed, linked and opened does not concern it.
  const isPage = kind === 'page';
  const probe = fastify();
  await probe.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { ...directives, frameAncestors: NONE, baseUri: NONE, formAction: NONE },
    },
    strictTransportSecurity: false,
    crossOriginOpenerPolicy: isPage,
    referrerPolicy: isPage,
    xFrameOptions: isPage ? { action: 'deny' } : false,
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
  });
  probe.get('/', (_request, reply) => reply.send(''));
  const { headers } = await probe.inject('/');
  await probe.close();
  const ofTheAnswer = new Set(['content-length', 'date', 'connection', 'content-type']);
  return Object.fromEntries(
    Object.entries(headers as Headers).filter(([header]) => !ofTheAnswer.has(header)),
  );
}

/** Without origins nothing is said about them, and browsers keep the pages of other sites from our answers. */
async function allowOrigins(server: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  await server.register(cors, {
    origin: [...origins],
    methods: ['GET', 'HEAD', 'POST', 'DELETE'],
    allowedHeaders: ['authorization', 'content-type', 'idempotency-key', 'traceparent'],
    exposedHeaders: ['idempotency-replayed', 'retry-after'],
    maxAge: 3600,
  });
}

/** On one machine without keys there is nobody to protect from. */
function effectiveLimit({ configuration: { rateLimit: limit }, ring }: ProtectionNeeds): RateLimit | null {
  if (limit === 'off') return null;
  if (limit !== 'auto') return limit;
  return ring.isOpen ? null : DEFAULT_RATE_LIMIT;
}

/** Stops a loop that ran wild, and hardly anything else: 500 a second is what a small instance can answer. */
const DEFAULT_RATE_LIMIT: RateLimit = { requests: 30_000, windowMs: 60_000 };

async function limitRates(server: FastifyInstance, limit: RateLimit | null): Promise<void> {
  if (limit === null) return;
  const seconds = limit.windowMs / 1000;
  await server.register(rateLimit, {
    max: limit.requests,
    timeWindow: limit.windowMs,
    enableDraftSpec: true,
    keyGenerator: (request: FastifyRequest) => (request.caller as Caller | null)?.keyId ?? request.ip,
    errorResponseBuilder: (_request, { ttl }) =>
      new Problem(
        'rate-limited',
        `More than ${limit.requests} requests in ${seconds} s. Try again in ${Math.ceil(ttl / 1000)} s; ASSAY_RATE_LIMIT sets the limit.`,
      ),
  });
}
