/** What App Engine asks of an instance beside requests: warm-up, cron, and an end within its patience. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { request } from 'node:http';
import {
  assay,
  call,
  type Folder,
  type RunningService,
  serviceEnvironment,
  startPredictor,
  startService,
  temporaryFolder,
} from '../given.js';

const CRON = { headers: { 'x-appengine-cron': 'true' } };
/** App Engine, as far as the service can tell; what it would tell Google stays here. */
const APP_ENGINE = { GAE_ENV: 'standard', OTEL_SDK_DISABLED: 'true' };
const PREDICTOR = '/v1/predictors/p';

interface WithKey {
  headers: { authorization: string };
}

/** On App Engine nothing is open: the first key is made in the store. */
async function firstKey(folder: string): Promise<WithKey> {
  const { stdout } = await assay(
    ['keys', 'create', '--name', 'admin', '--scopes', 'admin'],
    serviceEnvironment(folder),
  );
  return { headers: { authorization: `Bearer ${stdout.trim()}` } };
}

describe('an instance on App Engine', () => {
  let folder: Folder;
  let service: RunningService;
  let admin: WithKey;

  beforeAll(async () => {
    folder = temporaryFolder();
    admin = await firstKey(folder.path);
    service = await startService(folder.path, APP_ENGINE);
    await call(service.url, `${PREDICTOR}/deployments`, {
      ...admin,
      json: { version: 'v1', backend: { kind: 'constant', candidates: [{ label: 'a' }] } },
    });
  }, 60_000);

  afterAll(async () => {
    await service.stop();
    folder.remove();
  });

  it('ensures that the warm-up request is answered', async () => {
    expect((await call(service.url, '/_ah/warmup')).status).toBe(200);
  });

  it('ensures that the projector has caught up when its cron call is answered', async () => {
    const predicted = Array.from({ length: 20 }, () =>
      call(service.url, `${PREDICTOR}/predictions`, { ...admin, json: { input: 'x' } }),
    );
    await Promise.all(predicted);
    const { status, body } = await call(service.url, '/internal/cron/project', CRON);
    expect({ status, body }).toEqual({ status: 200, body: { caughtUp: true, error: null } });
    expect((await call(service.url, '/v1/status', admin)).body.lag.events).toBe(0);
  });

  it('ensures that the warehouse is rebuilt when the nightly cron call is answered', async () => {
    const { status, body } = await call(service.url, '/internal/cron/rebuild', CRON);
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'done', error: null });
    const { lastRebuild } = (await call(service.url, '/v1/status', admin)).body;
    expect(lastRebuild.counts).toEqual(body.result.counts);
  });
});

describe('the end of an instance', () => {
  /** Asks a predictor that never answers, and ends the service meanwhile. */
  async function endWhileAsked(environment: Record<string, string>): Promise<number | null> {
    const folder = temporaryFolder();
    const silent = await startPredictor(() => {});
    const key = await firstKey(folder.path);
    const service = await startService(folder.path, environment);
    await call(service.url, `${PREDICTOR}/deployments`, {
      ...key,
      json: { version: 'v1', backend: { kind: 'http', url: silent.url, timeoutMs: 60_000 } },
    });
    const pending = request(new URL(`${PREDICTOR}/predictions`, service.url), {
      method: 'POST',
      headers: { ...key.headers, 'content-type': 'application/json' },
    });
    pending.on('error', () => {});
    pending.end('{"input": "x"}');
    while (silent.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await service.stop();
    await silent.close();
    folder.remove();
    return service.process.exitCode;
  }

  it('ensures that a request that hangs does not keep App Engine waiting until it kills', async () => {
    expect(await endWhileAsked(APP_ENGINE)).toBe(0);
  }, 50_000);
});
