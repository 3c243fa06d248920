/** What a route asks of its caller. Every route says so; one that does not stops the service at its start. */
import { applyDecorators } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiExtension, ApiSecurity } from '@nestjs/swagger';
import type { Scope as ScopeName } from '../event/access.js';

/**
 * What a key that is limited to some predictors may reach through a route:
 * `predictor` the predictor in its address, `prediction` the predictor of the prediction in its address,
 * `own` whatever the handler leaves of it after looking at the caller, `all` nothing: it takes an unlimited key.
 */
export type Reach = 'predictor' | 'prediction' | 'own' | 'all';

export type RouteAccess =
  | { readonly kind: 'public' }
  /** App Engine's cron alone. */
  | { readonly kind: 'cron' }
  /** Any of the scopes is enough. */
  | { readonly kind: 'scope'; readonly anyOf: readonly ScopeName[]; readonly reach: Reach };

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: RouteAccess;
    /** Health is never limited. */
    rateLimit?: false;
  }
}

/** Name of the security scheme in the OpenAPI document. */
export const KEY_SCHEME = 'key';

export function Scope(scope: ScopeName | readonly ScopeName[], reach: Reach): MethodDecorator {
  const anyOf = typeof scope === 'string' ? [scope] : scope;
  return applyDecorators(
    RouteConfig({ access: { kind: 'scope', anyOf, reach } satisfies RouteAccess }),
    ApiSecurity(KEY_SCHEME),
    ApiExtension('x-scopes', [...anyOf]),
  );
}

/** For everybody, as often as they like: what holds no data. */
export function Public(): MethodDecorator {
  return RouteConfig({ access: { kind: 'public' } satisfies RouteAccess, rateLimit: false });
}

/** For App Engine's cron, which names itself by a header that App Engine takes off everybody else's requests. */
export function Cron(): MethodDecorator {
  return RouteConfig({ access: { kind: 'cron' } satisfies RouteAccess, rateLimit: false });
}
