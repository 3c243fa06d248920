/** The built service over Firestore: one round of the loop, and a store that goes away and comes back. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FirestoreServer } from '../firestore/emulator.js';
import { freshProject, smallServer } from '../firestore/given.js';
import { Proxy } from '../firestore/proxy.js';
import {
  assay,
  call,
  eventually,
  type Folder,
  projected,
  type RunningService,
  serviceEnvironment,
  startService,
  temporaryFolder,
} from '../given.js';

const chosen = smallServer();
const PREDICT = '/v1/predictors/p/predictions';
/** A request ends within the store's deadline, and some time for the way. */
const REFUSED_WITHIN_MS = 8_000;

describe(`the service over Firestore, on ${chosen.name}`, () => {
  let server: FirestoreServer;
  let wire: Proxy;
  let folder: Folder;
  let service: RunningService;
  let environment: Record<string, string>;

  beforeAll(async () => {
    server = await chosen.start();
    wire = await Proxy.to(server.host);
    folder = temporaryFolder();
    environment = {
      ASSAY_STORE: `firestore:${freshProject()}`,
      ASSAY_SETTLE_SECONDS: '0.3',
      FIRESTORE_EMULATOR_HOST: wire.host,
    };
    service = await startService(folder.path, environment);
  }, 90_000);

  afterAll(async () => {
    await service.stop();
    await wire.cut();
    await server.stop();
    folder.remove();
  });

  const predict = (key: string) =>
    call(service.url, PREDICT, { json: { input: 'bread' }, headers: { 'idempotency-key': key } });
  const correct = (id: string) =>
    call(service.url, `/v1/predictions/${id}/corrections`, { json: { rank: 1 } });
  const events = async (): Promise<number> => (await call(service.url, '/v1/status')).body.events;

  it('ensures that a prediction, its correction and the warehouse work as on one machine', async () => {
    const backend = { kind: 'constant', candidates: [{ label: 'a' }, { label: 'b' }] };
    const deployed = await call(service.url, '/v1/predictors/p/deployments', {
      json: { version: 'v1', backend },
    });
    expect(deployed.status).toBe(201);
    const predicted = await predict('first');
    expect(predicted).toMatchObject({ status: 201, body: { version: 'v1', recorded: true } });
    expect((await predict('first')).headers.get('idempotency-replayed')).toBe('true');
    expect((await correct(predicted.body.id)).status).toBe(201);
    const read = await call(service.url, `/v1/predictions/${predicted.body.id}`);
    expect(read.body.corrections).toMatchObject([{ rank: 1 }]);
    await projected(service.url);
    expect((await call(service.url, '/v1/verifications', { method: 'POST' })).body).toMatchObject({
      equal: true,
      storeEvents: 3,
    });
    expect((await call(service.url, '/v1/events?predictor=p')).body.events).toHaveLength(3);
    expect((await call(service.url, '/v1/status')).body.store).toBe(`${environment.ASSAY_STORE}/(default)`);
  }, 60_000);

  it('ensures that requests are refused for now while it is away, and nothing is half-written', async () => {
    const before = await events();
    const { body } = await predict('second');
    await wire.cut();
    const startedAt = Date.now();
    const refused = await Promise.all([
      predict('third'),
      correct(body.id),
      call(service.url, `/v1/predictions/${body.id}`),
    ]);
    expect(Date.now() - startedAt).toBeLessThan(REFUSED_WITHIN_MS);
    for (const answer of refused) {
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(answer.body.type).toBe('urn:assay:problem:store-unavailable');
      expect(answer.body.detail).toMatch(/^firestore:.* cannot be reached/);
    }
    expect((await call(service.url, '/readyz')).status).toBe(503);
    expect((await call(service.url, '/healthz')).status).toBe(200);

    await wire.restore();
    const retried = await eventually(
      () => predict('third'),
      ({ status }) => status === 201,
      20_000,
    );
    expect(retried.headers.get('idempotency-replayed')).toBeNull();
    expect((await correct(body.id)).status).toBe(201);
    expect(await events()).toBe(before + 3);
    await eventually(
      () => call(service.url, '/readyz'),
      ({ status }) => status === 200,
      20_000,
    );
    await projected(service.url);
    expect((await call(service.url, '/v1/verifications', { method: 'POST' })).body.equal).toBe(true);
  }, 90_000);

  it('ensures that a service that cannot reach it says so and ends', async () => {
    const nobody = { ...environment, FIRESTORE_EMULATOR_HOST: '127.0.0.1:9' };
    const { status, stderr } = await assay(['serve'], serviceEnvironment(folder.path, nobody));
    expect(status).toBe(3);
    expect(stderr).toMatch(
      /^firestore:\S+ cannot be reached .* Is the server at 127\.0\.0\.1:9 \(FIRESTORE_EMULATOR_HOST\)/,
    );
  }, 30_000);
});
