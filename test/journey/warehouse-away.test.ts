/** BigQuery goes away under a running service: what callers notice, what operators see, and that it catches up. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BigQueryServer } from '../bigquery/server.js';
import {
  assay,
  call,
  eventually,
  type Folder,
  projected,
  type RunningService,
  startService,
  temporaryFolder,
} from '../given.js';

const backend = { kind: 'constant', candidates: [{ label: 'a' }, { label: 'b' }] };

describe('while BigQuery is away', () => {
  let folder: Folder;
  let server: BigQueryServer;
  let service: RunningService;
  let recorded = 0;

  beforeAll(async () => {
    folder = temporaryFolder();
    server = await BigQueryServer.start();
    service = await startService(folder.path, server.environment());
    for (const body of [
      { version: 'v1', backend },
      { version: 'v2', backend, canary: {} },
    ]) {
      expect((await call(service.url, '/v1/predictors/p/deployments', { json: body })).status).toBe(201);
    }
  }, 60_000);

  afterAll(async () => {
    await service.stop();
    await server.close();
    folder.remove();
  });

  /** Predicts and corrects, each of it acknowledged. */
  async function use(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      const prediction = await call(service.url, '/v1/predictors/p/predictions', {
        json: { input: 'x', subject: `s${recorded}` },
      });
      expect(prediction).toMatchObject({ status: 201, body: { recorded: true } });
      const path = `/v1/predictions/${prediction.body.id}/corrections`;
      expect((await call(service.url, path, { json: { rank: i % 2 } })).status).toBe(201);
      recorded++;
    }
  }

  const quality = () => call(service.url, '/v1/predictors/p/quality');

  async function predictionsSeen(): Promise<number> {
    const { body } = await quality();
    return body.series.reduce((sum: number, one: { total: { predictions: number } }) => {
      return sum + one.total.predictions;
    }, 0);
  }

  it('ensures that the projection reaches it, and questions are answered', async () => {
    await use(5);
    await projected(service.url);
    expect(await predictionsSeen()).toBe(5);
    expect((await call(service.url, '/v1/predictors/p/canary')).status).toBe(200);
    expect((await call(service.url, '/readyz')).status).toBe(200);
    expect((await call(service.url, '/v1/status')).body.warehouse).toBe('bigquery:test-project.assay');
  });

  it('ensures that predictions and corrections go on, and the lag is shown with its reason', async () => {
    await server.vanish();
    await use(20);
    const { body } = await eventually(
      () => call(service.url, '/v1/status'),
      (answer) => answer.body.projectionError !== null,
      30_000,
    );
    expect(body.projectionError).toMatch(/BigQuery cannot answer now/);
    expect(body.lag.events).toBe(40);
    expect(body.lag.seconds).toBeGreaterThan(0);
    const ready = await call(service.url, '/readyz');
    expect(ready.status).toBe(503);
    expect(ready.body.reasons).toContainEqual(
      expect.stringMatching(/^projection: BigQuery cannot answer now/),
    );
    expect((await call(service.url, '/healthz')).status).toBe(200);
  }, 60_000);

  it('ensures that questions are refused for now', async () => {
    const answer = await call(service.url, '/v1/predictors/p/quality');
    expect(answer).toMatchObject({
      status: 503,
      body: { type: 'urn:assay:problem:warehouse-unavailable' },
    });
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
  });

  it('ensures that the health of a canary says how old it is, and promotes nothing once that is too old', async () => {
    const path = '/v1/predictors/p/canary';
    const first = await call(service.url, path);
    expect(first.status).toBe(200);
    const later = await eventually(
      () => call(service.url, path),
      ({ body }) => body.lagSeconds > first.body.lagSeconds,
    );
    expect(later.body.asOf).toBe(first.body.asOf);
  });

  it('ensures that it catches up by itself, with nothing lost and nothing doubled', async () => {
    await use(5);
    await server.listen();
    await use(5);
    await eventually(
      () => call(service.url, '/v1/status'),
      ({ body }) => body.lag.events === 0 && body.projectionError === null,
      40_000,
    );
    expect(await predictionsSeen()).toBe(recorded);
    expect((await call(service.url, '/readyz')).status).toBe(200);
    const client = { PATH: process.env.PATH ?? '', ASSAY_SERVER: service.url };
    expect(await assay(['verify'], client)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^Equal: /),
    });
    const rebuilt = await assay(['rebuild', '--from-store'], client);
    expect(rebuilt).toMatchObject({ status: 0, stdout: expect.stringMatching(/35 predictions/) });
    expect(rebuilt.stdout).not.toContain('put right');
    expect(await predictionsSeen()).toBe(recorded);
  }, 90_000);

  it('ensures that a service starts without it, and reads on where the last one was', async () => {
    await service.stop();
    await server.vanish();
    service = await startService(folder.path, server.environment());
    await use(5);
    await server.listen();
    await eventually(
      () => call(service.url, '/v1/status'),
      ({ body }) => body.lag.events === 0 && body.projectionError === null,
      40_000,
    );
    expect(await predictionsSeen()).toBe(recorded);
    expect((await call(service.url, '/v1/verifications', { method: 'POST' })).body.equal).toBe(true);
  }, 90_000);
});

describe('a BigQuery that cannot be used', () => {
  it('ensures that the service says what to do, and goes on recording', async () => {
    const folder = temporaryFolder();
    const server = await BigQueryServer.start();
    const service = await startService(folder.path, {
      ...server.environment(),
      ASSAY_WAREHOUSE: 'bigquery:wrong-project.assay',
    });
    try {
      await call(service.url, '/v1/predictors/p/deployments', { json: { version: 'v1', backend } });
      const { body } = await eventually(
        () => call(service.url, '/readyz'),
        ({ status }) => status === 503,
      );
      expect(body.reasons[0]).toMatch(
        /^projection: There is no Google Cloud project "wrong-project".*gcloud services enable bigquery/,
      );
      expect(service.output()).toMatch(/There is no Google Cloud project \\?"wrong-project/);
      const made = await call(service.url, '/v1/predictors/p/predictions', { json: { input: 'x' } });
      expect(made.status).toBe(201);
      expect((await call(service.url, '/v1/predictors/p/quality')).status).toBe(503);
    } finally {
      await service.stop();
      await server.close();
      folder.remove();
    }
  }, 60_000);
});
