/** A route that nobody thought about is not served to everybody: the server does not start with it. */
import { describe, expect, it } from '@jest/globals';
import { fastify, type FastifyInstance } from 'fastify';
import { KeyRing } from '#assay/access/key-ring.js';
import { protect } from '#assay/access/protection.js';
import type { RouteAccess } from '#assay/access/scope.js';

/** No request is made here, so nothing is read. */
const store = { readStream: () => Promise.resolve([]) };

async function serverWith(url: string, access?: RouteAccess): Promise<FastifyInstance> {
  const server = fastify();
  const ring = new KeyRing(store, { openWithoutKeys: true, onError: () => {} });
  await protect(server, {
    configuration: { corsOrigins: ['https://app.example'], rateLimit: 'off' },
    ring,
    store,
    isPage: (path) => path.startsWith('/docs'),
  });
  server.get(url, { ...(access === undefined ? {} : { config: { access } }) }, () => 'served');
  return server;
}

const reading = (reach: 'predictor' | 'prediction' | 'own' | 'all'): RouteAccess => ({
  kind: 'scope',
  anyOf: ['read'],
  reach,
});

describe('a route', () => {
  it('ensures that one without a declaration stops the start, and names itself', async () => {
    await expect(serverWith('/v1/new')).rejects.toThrow(/^GET \/v1\/new does not say what it asks/);
    await expect(serverWith('/docs/new')).resolves.toBeDefined();
  });

  it.each([
    ['/v1/predictors/:predictor/new', reading('all')],
    ['/v1/predictors/:predictor/new', reading('own')],
    ['/v1/predictors/:predictor/new', reading('prediction')],
    ['/v1/predictions/:id/new', reading('all')],
    ['/v1/predictions/:id/new', reading('predictor')],
    ['/v1/new', reading('predictor')],
    ['/v1/new/:id', reading('prediction')],
  ])('ensures that %s is held to what its address names', async (url, access) => {
    await expect(serverWith(url, access)).rejects.toThrow(/in its address, so "\w+" is wrong/);
  });

  it.each([
    ['/v1/predictors/:predictor/new', reading('predictor')],
    ['/v1/predictions/:id/new', reading('prediction')],
    ['/v1/new', reading('all')],
    ['/v1/new', { kind: 'public' } as const],
  ])('ensures that %s is served when it says so', async (url, access) => {
    const server = await serverWith(url, access);
    await server.ready();
    await server.close();
  });
});
