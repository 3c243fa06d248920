/** From a service that only its own machine reaches to one in the open: keys, limits, browsers, the scheduler. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import {
  type Answer,
  assay,
  call,
  cloudEvent,
  type CommandResult,
  type Folder,
  type RunningService,
  sendEvents,
  serviceEnvironment,
  startService,
  temporaryFolder,
} from '../given.js';

const MISTAKE = 3;
const KEY = /^assay_[0-9a-f]{12}_[0-9a-f]{48}$/;
const BACKEND = { kind: 'constant', candidates: [{ label: 'a' }] };
const TIME = '2026-01-05T10:00:00Z';

const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });

function deploy(url: string, predictor: string, headers: Record<string, string>): Promise<Answer> {
  return call(url, `/v1/predictors/${predictor}/deployments`, {
    json: { version: 'v1', backend: BACKEND },
    headers,
  });
}

/** A request with a Host header of its own, which fetch does not allow. */
function statusFor(url: string, host: string): Promise<number> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    request({ hostname, port, path: '/v1/predictors', headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
}

describe('a service beyond loopback', () => {
  let folder: Folder;
  let running: RunningService | null = null;
  const onFiles = (...args: string[]): Promise<CommandResult> => assay(args, serviceEnvironment(folder.path));

  beforeAll(() => {
    folder = temporaryFolder();
  });

  afterEach(async () => {
    await running?.stop();
    running = null;
  });

  afterAll(() => folder.remove());

  it('ensures that it does not start before there is a key, and says how to make one', async () => {
    for (const [name, value] of [
      ['HOST', '0.0.0.0'],
      ['GAE_APPLICATION', 's~app'],
    ] as const) {
      const { status, stderr } = await assay(['serve'], serviceEnvironment(folder.path, { [name]: value }));
      expect(status).toBe(MISTAKE);
      expect(stderr).toContain('assay keys create --name admin --scopes admin');
      expect(stderr).not.toContain('    at ');
    }
  }, 60_000);

  it('ensures that the first key is made in the store, and everything then takes a key', async () => {
    const created = await onFiles('keys', 'create', '--name', 'admin', '--scopes', 'admin');
    const admin = created.stdout.trim();
    expect(admin).toMatch(KEY);
    running = await startService(folder.path, { HOST: '0.0.0.0' });
    expect((await deploy(running.url, 'p', {})).status).toBe(401);
    expect((await deploy(running.url, 'p', bearer(admin))).status).toBe(201);

    const environment = { PATH: process.env.PATH ?? '', ASSAY_SERVER: running.url };
    const keyless = await assay(['status'], environment);
    expect([keyless.status, keyless.stderr]).toEqual([MISTAKE, expect.stringContaining('ASSAY_KEY')]);
    const file = join(folder.path, 'key');
    writeFileSync(file, `${admin}\n`);
    expect((await assay(['status', '--key-file', file], environment)).status).toBe(0);

    const withKey = { ...environment, ASSAY_KEY: admin };
    const args = ['--name', 'shop', '--scopes', 'predict,correct', '--predictors', 'p', '--expires', '90d'];
    const shop = JSON.parse((await assay(['keys', 'create', ...args, '--json'], withKey)).stdout);
    expect(shop).toMatchObject({ name: 'shop', scopes: ['predict', 'correct'], predictors: ['p'] });
    const days = (Date.parse(shop.expiresAt) - Date.parse(shop.createdAt)) / 86_400_000;
    expect(Math.round(days)).toBe(90);
    const predict = (): Promise<Answer> =>
      call(running?.url ?? '', '/v1/predictors/p/predictions', {
        json: { input: 1 },
        headers: bearer(shop.key),
      });
    expect((await predict()).status).toBe(201);
    expect((await assay(['keys', 'revoke', shop.id], withKey)).stdout).toBe(`Key ${shop.id} is revoked.\n`);
    expect((await predict()).status).toBe(401);
    const { stdout } = await assay(['keys', 'list'], withKey);
    expect(stdout).toMatch(new RegExp(`${shop.id} +shop .* revoked`));
    expect(stdout).not.toContain(shop.key.split('_')[2]);
  }, 60_000);

  it('ensures that whoever may open the files needs no key', async () => {
    expect((await onFiles('verify')).status).toBe(0);
    expect((await onFiles('keys', 'list', '--json')).stdout).toContain('"name":"admin"');
    const wrong = await onFiles('keys', 'revoke', 'none');
    expect([wrong.status, wrong.stderr]).toEqual([MISTAKE, expect.stringContaining('assay keys list')]);
    const scopes = await onFiles('keys', 'create', '--name', 'x', '--scopes', 'predict,fly');
    expect([scopes.status, scopes.stderr]).toEqual([MISTAKE, expect.stringContaining('no scope fly')]);
  }, 60_000);

  it('ensures that no secret is in any file', async () => {
    const { stdout } = await onFiles('keys', 'create', '--name', 'x', '--scopes', 'read');
    const secret = stdout.trim().split('_')[2] as string;
    const files = readdirSync(folder.path).filter((name) => name !== 'key');
    expect(files.length).toBeGreaterThan(1);
    const holding = files.filter((name) => readFileSync(join(folder.path, name)).includes(secret));
    expect(holding).toEqual([]);
  }, 60_000);

  it('ensures that the scheduler of App Engine is known by its header, there and nowhere else', async () => {
    const cron = (path: string, headers: Record<string, string> = {}): Promise<Answer> =>
      call(running?.url ?? '', `/internal/cron/${path}`, { headers });
    running = await startService(folder.path, { GAE_APPLICATION: 's~app' });
    for (const path of ['project', 'rebuild']) {
      expect((await cron(path, { 'x-appengine-cron': 'true' })).status).toBe(200);
      expect((await cron(path)).body.type).toBe('urn:assay:problem:cron-only');
    }
    await running.stop();
    running = await startService(folder.path);
    for (const path of ['project', 'rebuild'])
      expect((await cron(path, { 'x-appengine-cron': 'true' })).status).toBe(404);
  }, 60_000);
});

describe('a service on loopback', () => {
  let folder: Folder;
  let service: RunningService;
  let admin: string;

  beforeAll(async () => {
    folder = temporaryFolder();
    service = await startService(folder.path);
  }, 60_000);

  afterAll(async () => {
    await service.stop();
    folder.remove();
  });

  const makeKey = async (json: object, headers: Record<string, string> = {}): Promise<Answer> =>
    call(service.url, '/v1/keys', {
      json: { name: 'test', ...json },
      headers: { ...bearer(admin), ...headers },
    });

  it('ensures that without keys it answers its own machine, by its own name', async () => {
    expect((await deploy(service.url, 'p', {})).status).toBe(201);
    const { port } = new URL(service.url);
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`])
      expect([host, await statusFor(service.url, host)]).toEqual([host, 200]);
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      'localhost.evil.example',
      '127.0.0.1.evil.example',
    ])
      expect([host, await statusFor(service.url, host)]).toEqual([host, 403]);
  });

  it('ensures that without keys pages of other sites change nothing', async () => {
    const from = (origin: string, options: object): Promise<Answer> =>
      call(service.url, '/v1/rebuilds', { method: 'POST', headers: { origin }, ...options });
    expect((await from('https://evil.example', {})).body.type).toBe('urn:assay:problem:cross-site');
    expect((await from('null', {})).status).toBe(403);
    expect((await from(service.url, {})).status).toBe(202);
    // What a page may send without asking first is not understood.
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      const headers = { 'content-type': type };
      const { status } = await call(service.url, '/v1/events', { text: '[]', headers });
      expect([type, status]).toEqual([type, 415]);
    }
    const preflight = await call(service.url, '/v1/events', {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([404, null]);
  });

  it('ensures that the first key closes it, and that it must be an admin', async () => {
    admin = 'none yet';
    expect((await makeKey({ scopes: ['read'] })).body.errors).toEqual([
      { pointer: '/scopes', detail: expect.stringContaining('admin') },
    ]);
    const { status, body, headers } = await makeKey({ scopes: ['admin'] });
    expect([status, headers.get('cache-control')]).toEqual([201, 'no-store']);
    admin = body.key;
    expect(admin).toMatch(KEY);
    expect((await call(service.url, '/v1/keys')).status).toBe(401);
    expect((await call(service.url, '/v1/keys', { headers: bearer(admin) })).body.keys).toHaveLength(1);
  });

  it('ensures that the answer with a key is not kept for its Idempotency-Key', async () => {
    const again = { 'idempotency-key': 'the same' };
    const first = await makeKey({ scopes: ['read'] }, again);
    const second = await makeKey({ scopes: ['read'] }, again);
    expect(first.body.key).toMatch(KEY);
    expect(second.body.key).toMatch(KEY);
    expect(second.body.key).not.toBe(first.body.key);
  });

  it('ensures that an earlier answer is not given to whoever may not ask', async () => {
    const ask = (key: string): Promise<Answer> =>
      call(service.url, '/v1/predictors/p/predictions', {
        json: { input: 'secret' },
        headers: { ...bearer(key), 'idempotency-key': 'k1' },
      });
    const first = await ask(admin);
    expect(first.status).toBe(201);
    expect((await ask(admin)).body).toEqual(first.body);
    const reader = (await makeKey({ scopes: ['read'] })).body.key;
    const other = (await makeKey({ scopes: ['predict'], predictors: ['q'] })).body.key;
    expect([(await ask(reader)).status, (await ask(other)).status]).toEqual([403, 403]);
  });

  it('ensures that of a batch each event takes its scope and its predictor', async () => {
    await deploy(service.url, 'q', bearer(admin));
    const answer = { version: 'v1', input: 1, candidates: [{ label: 'a' }] };
    const recorded = (id: string, predictor: string): object =>
      cloudEvent('prediction.recorded', id, TIME, { predictor, ...answer });
    const corrected = (id: string, predictionId: string): object =>
      cloudEvent('prediction.corrected', id, TIME, { predictionId, rank: 0 });
    const split = (id: string, predictor: string): object =>
      cloudEvent('predictor.traffic_split', id, TIME, { predictor, split: { v1: 1 } });
    const send = async (key: object, events: object[]): Promise<{ accepted: number; rejected: string[] }> => {
      const made = (await makeKey(key)).body.key as string;
      const headers = { ...bearer(made), 'content-type': 'application/cloudevents-batch+json' };
      const { status, body } = await call(service.url, '/v1/events', { json: events, headers });
      expect(status).toBe(200);
      const rejected = body.rejected.map(
        ({ id, detail }: { id: string; detail: string }) => `${id}: ${detail}`,
      );
      return { accepted: body.accepted, rejected };
    };
    const theirs = await send({ scopes: ['predict'] }, [recorded('theirs', 'q')]);
    expect(theirs).toEqual({ accepted: 1, rejected: [] });

    const all = [recorded('a', 'p'), corrected('b', 'a'), split('c', 'p')];
    expect((await send({ scopes: ['predict'] }, all)).rejected).toEqual([
      'b: needs a key with the scope "correct"',
      'c: needs a key with the scope "deploy"',
    ]);
    expect((await send({ scopes: ['correct', 'deploy'] }, all)).rejected).toEqual([
      'a: needs a key with the scope "predict"',
    ]);

    const scopes = ['predict', 'correct', 'deploy'];
    const limited = await send({ scopes, predictors: ['p'] }, [
      recorded('own', 'p'),
      recorded('foreign', 'q'),
      split('s1', 'p'),
      split('s2', 'q'),
      corrected('c1', 'own'),
      corrected('c2', 'theirs'),
      corrected('c3', 'nobodys'),
      // An own event about a prediction of another predictor does not make it one's own.
      cloudEvent('prediction.recorded', 'mine', TIME, { predictionId: 'theirs', predictor: 'p', ...answer }),
      // Known by the event that comes after it.
      corrected('c4', 'late'),
      recorded('late', 'p'),
    ]);
    const unknown = 'the key is limited to p, and none of their predictions has this id';
    expect(limited).toEqual({
      accepted: 5,
      rejected: [
        'foreign: the key is limited to p',
        's2: the key is limited to p',
        `c2: ${unknown}`,
        `c3: ${unknown}`,
        `mine: ${unknown}`,
      ],
    });
  });

  it('ensures that keys are in no export, that cursors move past them, and that none come in', async () => {
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const path: string = `/v1/events?limit=1${after === null ? '' : `&after=${after}`}`;
      const { body }: Answer = await call(service.url, path, { headers: bearer(admin) });
      seen.push(...body.events.map(({ type }: { type: string }) => type));
      after = body.next;
    } while (after !== null);
    expect(seen.length).toBeGreaterThan(5);
    expect(seen.filter((type) => type.startsWith('assay.access'))).toEqual([]);

    const environment = { PATH: process.env.PATH ?? '', ASSAY_SERVER: service.url, ASSAY_KEY: admin };
    const { stdout } = await assay(['events', 'export'], environment);
    expect(stdout.trim().split('\n')).toHaveLength(seen.length);
    expect(stdout).not.toContain('assay.access');

    const headers = { ...bearer(admin), 'content-type': 'application/cloudevents-batch+json' };
    const data = { keyId: '0'.repeat(12), name: 'x', hash: '0', scopes: ['admin'] };
    const json = [
      cloudEvent('access.key_created', 'k', TIME, data),
      cloudEvent('access.key_revoked', 'r', TIME, data),
    ];
    const { body } = await call(service.url, '/v1/events', { json, headers });
    expect(body.accepted).toBe(0);
    expect(body.rejected[0].detail).toContain('written by the service only');
  }, 30_000);

  it('ensures that store and warehouse stay equal with keys among the events', async () => {
    const { body } = await call(service.url, '/v1/verifications', { method: 'POST', headers: bearer(admin) });
    expect([body.equal, body.differences]).toEqual([true, []]);
  });
});

describe('limits, headers and browsers', () => {
  let folder: Folder;
  let service: RunningService;
  let admin: string;

  beforeAll(async () => {
    folder = temporaryFolder();
    const environment = serviceEnvironment(folder.path);
    admin = (await assay(['keys', 'create', '--name', 'a', '--scopes', 'admin'], environment)).stdout.trim();
    service = await startService(folder.path, {
      ASSAY_RATE_LIMIT: '5/1m',
      ASSAY_CORS_ORIGINS: 'https://app.example, https://b.example',
    });
  }, 60_000);

  afterAll(async () => {
    await service.stop();
    folder.remove();
  });

  it('ensures that browsers are told what they may, on every answer, and nothing tells what serves it', async () => {
    for (const path of ['/healthz', '/v1/predictors', '/nothing']) {
      const { headers } = await call(service.url, path);
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect([headers.get('x-powered-by'), headers.get('server')]).toEqual([null, null]);
      expect(headers.get('strict-transport-security')).toBeNull();
    }
    const { headers } = await call(service.url, '/healthz', { headers: { 'x-forwarded-proto': 'https' } });
    expect(headers.get('strict-transport-security')).toBe('max-age=31536000; includeSubDomains');
  });

  it('ensures that pages of the origins that were named may ask, and no others', async () => {
    const preflight = async (origin: string): Promise<[number, string | null]> => {
      const { status, headers } = await call(service.url, '/v1/predictors/p/predictions', {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,content-type',
        },
      });
      return [status, headers.get('access-control-allow-origin')];
    };
    expect(await preflight('https://b.example')).toEqual([204, 'https://b.example']);
    expect((await preflight('https://evil.example'))[1]).toBeNull();
    // The answer itself can be read by the page even when it is a refusal.
    const { status, headers } = await call(service.url, '/v1/predictors', {
      headers: { origin: 'https://app.example' },
    });
    expect([status, headers.get('access-control-allow-origin')]).toEqual([401, 'https://app.example']);
  });

  it('ensures that each key has its own limit, and health has none', async () => {
    const ask = (key: string): Promise<Answer> =>
      call(service.url, '/v1/predictors', { headers: bearer(key) });
    const json = { name: 'other', scopes: ['read'] };
    const other = (await call(service.url, '/v1/keys', { json, headers: bearer(admin) })).body.key;
    const answers = [];
    for (let i = 0; i < 5; i++) answers.push(await ask(admin));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 429]);
    expect(answers[0]?.headers.get('ratelimit-limit')).toBe('5');
    const { headers, body } = answers[4] as Answer;
    expect(body).toMatchObject({ type: 'urn:assay:problem:rate-limited', status: 429 });
    expect(headers.get('content-type')).toContain('application/problem+json');
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(headers.get('ratelimit-remaining')).toBe('0');
    expect((await ask(other)).status).toBe(200);
    for (let i = 0; i < 10; i++) expect((await call(service.url, '/healthz')).status).toBe(200);
    expect((await sendEvents(service.url, [])).status).toBe(401);
  });
});
