/** What App Engine asks of an instance beside requests: warm-up, cron, and an end within its patience. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { request } from 'node:http';
import {
  call,
  type Folder,
  type RunningService,
  startPredictor,
  startService,
  temporaryFolder,
} from '../given.js';

const CRON = { headers: { 'x-appengine-cron': 'true' } };
const PREDICTOR = '/v1/predictors/p';

describe('an instance on App Engine', () => {
  let folder: Folder;
  let service: RunningService;

  beforeAll(async () => {
    folder = temporaryFolder();
    service = await startService(folder.path);
    await call(service.url, `${PREDICTOR}/deployments`, {
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
      call(service.url, `${PREDICTOR}/predictions`, { json: { input: 'x' } }),
    );
    await Promise.all(predicted);
    const { status, body } = await call(service.url, '/internal/cron/project', CRON);
    expect({ status, body }).toEqual({ status: 200, body: { caughtUp: true, error: null } });
    expect((await call(service.url, '/v1/status')).body.lag.events).toBe(0);
  });

  it('ensures that the warehouse is rebuilt when the nightly cron call is answered', async () => {
    const { status, body } = await call(service.url, '/internal/cron/rebuild', CRON);
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'done', error: null });
    const { lastRebuild } = (await call(service.url, '/v1/status')).body;
    expect(lastRebuild.counts).toEqual(body.result.counts);
  });
});

describe('the end of an instance', () => {
  /** Asks a predictor that never answers, and ends the service meanwhile. */
  async function endWhileAsked(environment: Record<string, string>): Promise<number | null> {
    const folder = temporaryFolder();
    const silent = await startPredictor(() => {});
    const service = await startService(folder.path, environment);
    await call(service.url, `${PREDICTOR}/deployments`, {
      json: { version: 'v1', backend: { kind: 'http', url: silent.url, timeoutMs: 60_000 } },
    });
    const pending = request(new URL(`${PREDICTOR}/predictions`, service.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
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
    expect(await endWhileAsked({ GAE_ENV: 'standard' })).toBe(0);
  }, 50_000);
});
