/**
 * Who may call what: every route that the running service has, asked with every kind of key. What to expect
 * stands in docs/api.md, not in the decorators, so that both must change together.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { SCOPES } from '#assay/event/access.js';
import type { DeclaredRoute } from '#assay/access/protection.js';
import { type Answer, call, eventually, type Folder, serviceEnvironment, temporaryFolder } from '../given.js';

const OURS = 'ours';
const THEIRS = 'theirs';
/** Served without a key, and not part of the API that docs/api.md describes. */
const PAGES = /^\/(docs|openapi\.json)/;
const HIDDEN = new Set(['/_ah/warmup']);

interface DocumentedRoute {
  scopes: string[];
  /** Whether it takes a key that is not limited to predictors. */
  unlimited: boolean;
}

/** The routes of docs/api.md, by method and path in the server's notation. */
function documented(): Map<string, DocumentedRoute> {
  const rows = readFileSync('docs/api.md', 'utf8').matchAll(/^\| `([A-Z]+) ([^`?]+)` \| ([^|]+) \|/gm);
  return new Map(
    [...rows].map(([, method, path, scope]) => {
      const scopes = [...(scope as string).matchAll(/`([a-z]+)`/g)].map(([, name]) => name as string);
      const unlimited = scopes.includes('admin') || (scope as string).includes('unlimited');
      return [`${method} ${(path as string).replace(/\{(\w+)\}/g, ':$1')}`, { scopes, unlimited }];
    }),
  );
}

let folder: Folder;
let running: ChildProcess;
let service: { url: string; routes: DeclaredRoute[] };
let admin: string;
/** A prediction of each predictor. */
const predictions = new Map<string, string>();
/** Keys by what they are good for. */
const unlimited = new Map<string, string>();
const limited = new Map<string, string>();
const refused = new Map<string, string | undefined>();

const bearer = (key: string | undefined): Record<string, string> =>
  key === undefined ? {} : { authorization: `Bearer ${key}` };

async function makeKey(request: object): Promise<{ id: string; key: string }> {
  const { status, body } = await call(service.url, '/v1/keys', {
    json: { name: 'test', ...request },
    headers: bearer(admin),
  });
  expect(status).toBe(201);
  return body;
}

beforeAll(async () => {
  folder = temporaryFolder();
  const environment = serviceEnvironment(folder.path, { LOG_LEVEL: 'error', ASSAY_RATE_LIMIT: 'off' });
  const script = 'test/access/service-with-routes.process.mjs';
  running = spawn(process.execPath, [script], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface(running.stdout as NodeJS.ReadableStream), 'line')) as [string];
  service = JSON.parse(line);
  admin = (await makeKey({ scopes: ['admin'] })).key;
  for (const predictor of [OURS, THEIRS]) {
    const as = { headers: bearer(admin) };
    const backend = { kind: 'constant', candidates: [{ label: 'a' }] };
    await call(service.url, `/v1/predictors/${predictor}/deployments`, {
      json: { version: 'v1', backend },
      ...as,
    });
    const { body } = await call(service.url, `/v1/predictors/${predictor}/predictions`, {
      json: { input: 1 },
      ...as,
    });
    predictions.set(predictor, body.id);
  }
  const passing = await makeKey({ scopes: ['read'], expiresAt: new Date(Date.now() + 400).toISOString() });
  for (const scope of SCOPES) unlimited.set(scope, (await makeKey({ scopes: [scope] })).key);
  for (const scope of SCOPES.filter((name) => name !== 'admin')) {
    limited.set(scope, (await makeKey({ scopes: [scope], predictors: [OURS] })).key);
  }
  const revoked = await makeKey({ scopes: ['predict', 'correct', 'deploy', 'read'] });
  await call(service.url, `/v1/keys/${revoked.id}`, { method: 'DELETE', headers: bearer(admin) });
  await eventually(
    () => call(service.url, '/v1/status', { headers: bearer(passing.key) }),
    ({ status }) => status === 401,
  );
  refused.set('no key', undefined);
  refused.set('a revoked key', revoked.key);
  refused.set('an expired key', passing.key);
  refused.set('a key of nobody', `assay_${'0'.repeat(12)}_${'0'.repeat(48)}`);
  refused.set('a known id with another secret', `${admin.slice(0, -4)}0000`);
  refused.set('something else', 'aGVsbG8=');
}, 60_000);

afterAll(async () => {
  running.kill();
  await once(running, 'exit');
  folder.remove();
});

/** A route as one can call it, about one predictor. */
function address(url: string, predictor: string): string {
  return url
    .replace('/predictions/:id', `/predictions/${predictions.get(predictor)}`)
    .replace(':predictor', predictor)
    .replace(':id', 'none')
    .replace(':correctionId', 'none')
    .replace('*', 'none');
}

function ask(method: string, path: string, key: string | undefined): Promise<Answer> {
  // A body that no route takes: what passes the guard is refused behind it, and changes nothing.
  const body = method === 'POST' ? { text: '{"nothing": "known"}' } : {};
  return call(service.url, path, { method, headers: bearer(key), ...body });
}

const isAdmitted = ({ status }: Answer): boolean => status !== 401 && status !== 403;

/** Every route with its answer, in turn: the answers of one kind of key side by side. */
async function answers(
  key: string | undefined,
  predictor: string,
  ofRoute: (route: string, answer: Answer) => string | null,
): Promise<string[]> {
  const found: string[] = [];
  for (const { method, url } of service.routes) {
    if (PAGES.test(url)) continue;
    const answer = await ask(method, address(url, predictor), key);
    const said = ofRoute(`${method} ${url}`, answer);
    if (said !== null) found.push(`${method} ${url}: ${said}`);
  }
  return found;
}

/** HEAD is asked for what GET is. */
function expectation(route: string): DocumentedRoute {
  const path = route.split(' ')[1] as string;
  const known = documented().get(route.replace(/^HEAD /, 'GET '));
  if (known !== undefined) return known;
  if (HIDDEN.has(path)) return { scopes: [], unlimited: false };
  throw new Error(`docs/api.md does not say which scope ${route} takes`);
}

const isPublic = (route: string): boolean => expectation(route).scopes.length === 0;
const takes = (route: string, scope: string): boolean =>
  isPublic(route) || scope === 'admin' || expectation(route).scopes.includes(scope);

describe('the routes', () => {
  it('ensures that every documented route is there, with the scopes that the document says', () => {
    const declared = service.routes.filter(({ url }) => !PAGES.test(url) && !HIDDEN.has(url));
    const actual = declared
      .filter(({ method }) => method !== 'HEAD')
      .map(({ method, url, access }) => [
        `${method} ${url}`,
        {
          scopes: access.kind === 'scope' ? [...access.anyOf] : [],
          unlimited: 'reach' in access && access.reach === 'all',
        },
      ]);
    expect(Object.fromEntries(actual)).toEqual(Object.fromEntries(documented()));
    expect(declared.filter(({ method }) => method === 'HEAD').length).toBeGreaterThan(5);
  });

  it('ensures that the pages of the API are for everybody, and hold nothing', async () => {
    for (const path of ['/docs', '/openapi.json'])
      expect((await ask('GET', path, undefined)).status).toBe(200);
    const text = JSON.stringify((await ask('GET', '/openapi.json', undefined)).body);
    expect(text).not.toContain(OURS);
  });
});

describe('a request that is not from anybody', () => {
  it.each([
    'no key',
    'a revoked key',
    'an expired key',
    'a key of nobody',
    'a known id with another secret',
    'something else',
  ])('ensures that %s opens nothing but health', async (kind) => {
    expect(refused.has(kind)).toBe(true);
    const key = refused.get(kind);
    const wrong = await answers(key, OURS, (route, { status, headers }) => {
      if (isPublic(route)) return status === 200 ? null : String(status);
      const challenge = headers.get('www-authenticate') ?? '';
      const isTold =
        challenge.startsWith('Bearer realm="assay"') &&
        challenge.includes('invalid_token') === (key !== undefined);
      return status === 401 && isTold ? null : `${status} ${challenge}`;
    });
    expect(wrong).toEqual([]);
  });

  it('ensures that a revoked and an expired key are told apart, and a wrong secret is not', async () => {
    const detail = async (kind: string): Promise<string> =>
      (await ask('GET', '/v1/status', refused.get(kind))).body.detail;
    expect(await detail('a revoked key')).toContain('was revoked');
    expect(await detail('an expired key')).toContain('has expired');
    expect(await detail('a known id with another secret')).toBe(await detail('a key of nobody'));
  });
});

describe('a key', () => {
  it.each(SCOPES)('ensures that the scope %s opens its routes and no other', async (scope) => {
    const wrong = await answers(unlimited.get(scope), OURS, (route, answer) => {
      if (isAdmitted(answer) === takes(route, scope)) return null;
      return String(answer.status);
    });
    expect(wrong).toEqual([]);
  });

  it('ensures that a missing scope is named', async () => {
    const { status, headers, body } = await ask(
      'POST',
      `/v1/predictors/${OURS}/traffic`,
      unlimited.get('read'),
    );
    expect([status, body.type, body.scopes]).toEqual([403, 'urn:assay:problem:missing-scope', ['deploy']]);
    expect(headers.get('www-authenticate')).toBe(
      'Bearer realm="assay", error="insufficient_scope", scope="deploy"',
    );
  });
});

describe('a key that is limited to a predictor', () => {
  const LIMITED = SCOPES.filter((scope) => scope !== 'admin');

  it.each(LIMITED)('ensures that with %s it opens what is about its predictor', async (scope) => {
    const wrong = await answers(limited.get(scope), OURS, (route, answer) => {
      const allowed = takes(route, scope) && !expectation(route).unlimited;
      // Without a predictor= the log is about all of them.
      if (/^(GET|HEAD) \/v1\/events$/.test(route))
        return answer.status === 403 ? null : String(answer.status);
      return isAdmitted(answer) === allowed ? null : String(answer.status);
    });
    expect(wrong).toEqual([]);
  });

  it.each(LIMITED)('ensures that with %s it opens nothing that is about another', async (scope) => {
    const seen: string[] = [];
    const wrong = await answers(limited.get(scope), THEIRS, (route, { status, body }) => {
      if (!route.includes(':predictor') && !route.includes('predictions/:id')) return null;
      seen.push(route);
      if (!takes(route, scope)) return status === 403 ? null : String(status);
      if (route.startsWith('HEAD')) return status === 403 || status === 404 ? null : String(status);
      // Whether a prediction exists is not for this key to know; whether a predictor does, its name says nothing.
      const expected = route.includes(':predictor')
        ? [403, 'urn:assay:problem:other-predictor']
        : [404, 'urn:assay:problem:unknown-prediction'];
      return status === expected[0] && body.type === expected[1] ? null : `${status} ${body.type}`;
    });
    expect(wrong).toEqual([]);
    expect(seen.length).toBeGreaterThan(8);
  });

  it('ensures that it cannot tell what exists elsewhere from what does not', async () => {
    const read = limited.get('read');
    const theirs = predictions.get(THEIRS) as string;
    const other = await ask('GET', `/v1/predictions/${theirs}`, read);
    const none = await ask('GET', '/v1/predictions/none', read);
    expect(other.body.detail.replace(theirs, 'none')).toBe(none.body.detail);
    const known = await ask('GET', `/v1/predictors/${THEIRS}`, read);
    const unknown = await ask('GET', '/v1/predictors/nobodys', read);
    expect(known.body.detail.replace(THEIRS, 'nobodys')).toBe(unknown.body.detail);
    const { body } = await ask('GET', '/v1/predictors', read);
    expect(body.predictors.map(({ predictor }: { predictor: string }) => predictor)).toEqual([OURS]);
  });

  it('ensures that it reads the events of its predictor only', async () => {
    const read = limited.get('read');
    const own = await ask('GET', `/v1/events?predictor=${OURS}`, read);
    expect(own.status).toBe(200);
    expect(own.body.events.length).toBeGreaterThan(1);
    expect(JSON.stringify(own.body)).not.toContain(THEIRS);
    expect((await ask('GET', `/v1/events?predictor=${THEIRS}`, read)).status).toBe(403);
    expect((await ask('GET', '/v1/events', read)).body.detail).toContain('/v1/events?predictor=ours');
  });
});
