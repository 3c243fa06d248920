/** Progressive delivery: a good canary goes up its ramp by itself, a bad one is taken back, people can steer. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  call,
  cloudEvent,
  eventually,
  type Folder,
  type RunningService,
  sendEvents,
  startService,
  temporaryFolder,
} from '../given.js';

const TERMS = { bucketSeconds: 1, ageEdgesSeconds: [0, 1, 2], stepLabels: 5, stepSeconds: 0 };
/** The service judges each 15 s. */
const PATIENCE_MS = 50_000;
const TEST_LIMIT_MS = 70_000;

let folder: Folder;
let service: RunningService;
let isBusy = true;
let traffic: Promise<void>;

const constant = (label: string) => ({ kind: 'constant', candidates: [{ label, confidence: 0.9 }] });
const post = (path: string, json: object = {}) => call(service.url, `/v1/predictors/${path}`, { json });
const predictor = async (name: string) => (await call(service.url, `/v1/predictors/${name}`)).body;

async function release(name: string, label: string, ramp: number[]): Promise<void> {
  await post(`${name}/deployments`, { version: 'v1', backend: constant('truth') });
  const canary = { policy: TERMS, ramp };
  expect(
    await post(`${name}/deployments`, { version: 'v2', backend: constant(label), canary }),
  ).toMatchObject({
    status: 201,
    body: { split: { v2: ramp[0] } },
  });
}

/** Users who ask once and say what was right. */
async function ask(name: string): Promise<void> {
  const { body } = await post(`${name}/predictions`, { input: 'x' });
  await call(service.url, `/v1/predictions/${body.id}/corrections`, { json: { label: 'truth' } });
}

async function keepAsking(): Promise<void> {
  while (isBusy) {
    await Promise.all(['good', 'bad'].flatMap((name) => Array.from({ length: 4 }, () => ask(name))));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

interface PredictorEvent {
  type: string;
  data: Record<string, unknown>;
}

async function steps(name: string): Promise<PredictorEvent[]> {
  const events: PredictorEvent[] = [];
  for (let after = ''; ;) {
    const path = `/v1/events?predictor=${name}&limit=1000${after}`;
    const { body } = await call(service.url, path);
    events.push(...body.events);
    if (body.next === null) break;
    after = `&after=${body.next}`;
  }
  return events.filter(({ type }) => type.startsWith('assay.predictor.'));
}

beforeAll(async () => {
  folder = temporaryFolder();
  service = await startService(folder.path);
  await release('good', 'truth', [0.3, 0.5, 1]);
  await release('bad', 'error', [0.3, 0.5]);
  traffic = keepAsking();
});

afterAll(async () => {
  isBusy = false;
  await traffic.catch(() => undefined);
  await service.stop();
  folder.remove();
});

describe('a canary with a ramp', () => {
  it(
    'goes up while nothing speaks against it, and the step says why',
    async () => {
      const after = await eventually(
        () => predictor('good'),
        ({ split }) => split.v2 === 0.5,
        PATIENCE_MS,
      );
      expect(after.canary).toMatchObject({ canary: 'v2', ramp: [0.3, 0.5, 1], paused: false });
      const splits = (await steps('good')).filter(({ type }) => type === 'assay.predictor.traffic_split');
      expect(splits.map(({ data }) => data)).toMatchObject([
        { split: { v2: 0.3 }, canary: 'v2', reason: 'the canary starts' },
        { split: { v2: 0.5 }, canary: 'v2', reason: expect.stringContaining('labels at 30 %') },
      ]);
      const health = await call(service.url, '/v1/predictors/good/canary');
      expect(health.body.ramp).toMatchObject({ share: 0.5, nextShare: null, paused: null });
    },
    TEST_LIMIT_MS,
  );

  it(
    'is rolled back by itself when users are worse off',
    async () => {
      const after = await eventually(
        () => predictor('bad'),
        ({ canary }) => canary === null,
        PATIENCE_MS,
      );
      expect(after.split).toEqual({ v1: 1 });
      const last = (await steps('bad')).slice(-2);
      expect(last.map(({ type }) => type)).toEqual([
        'assay.predictor.canary_judged',
        'assay.predictor.rolled_back',
      ]);
      expect(last[1]?.data).toMatchObject({
        version: 'v2',
        reason: expect.stringContaining('more wrong answers'),
      });
    },
    TEST_LIMIT_MS,
  );

  it(
    'takes no step twice after a restart',
    async () => {
      isBusy = false;
      await traffic;
      const before = (await steps('good')).length;
      await service.kill();
      service = await startService(folder.path);
      await new Promise((resolve) => setTimeout(resolve, 17_000));
      const after = await steps('good');
      expect(after.slice(0, before).length).toBe(before);
      expect(after.slice(before).map(({ type }) => type)).not.toContain('assay.predictor.traffic_split');
    },
    TEST_LIMIT_MS,
  );
});

describe('a person', () => {
  it('pauses, resumes and skips ahead, and is told what there is to do at the end', async () => {
    await release('slow', 'truth', [0.01, 0.02, 0.04, 1]);
    expect((await post('slow/canary/pause', { reason: 'lunch' })).body).toEqual({
      predictor: 'slow',
      canary: 'v2',
      share: 0.01,
      paused: true,
    });
    expect((await post('slow/canary/pause')).status).toBe(200);
    const paused = await call(service.url, '/v1/predictors/slow/canary');
    expect(paused.body.ramp).toMatchObject({
      share: 0.01,
      nextShare: 0.02,
      waitsFor: expect.stringContaining('paused'),
      paused: { reason: 'lunch', at: expect.any(String) },
    });
    expect((await post('slow/canary/resume')).body.paused).toBe(false);
    expect((await post('slow/canary/skip')).body.share).toBe(0.02);
    expect((await post('slow/canary/skip', { reason: 'sure' })).body.share).toBe(0.04);
    const end = await post('slow/canary/skip');
    expect(end).toMatchObject({ status: 409, body: { detail: expect.stringContaining('/promote') } });
    const types = (await steps('slow')).map(({ type }) => type.replace('assay.predictor.', ''));
    expect(types.slice(4)).toEqual(['canary_paused', 'canary_resumed', 'traffic_split', 'traffic_split']);
  });

  it('who splits the traffic by hand pauses the ramp', async () => {
    await post('slow/traffic', { split: { v1: 0.5, v2: 0.5 } });
    expect((await predictor('slow')).canary.paused).toBe(true);
  });

  it('is not overruled by what another clock dated later', async () => {
    const ahead = Date.now() + 120_000;
    const split = cloudEvent('predictor.traffic_split', 'ahead', ahead, {
      predictor: 'slow',
      split: { v1: 0.4, v2: 0.6 },
    });
    expect((await sendEvents(service.url, [split])).body.accepted).toBe(1);
    expect((await predictor('slow')).split.v2).toBe(0.6);
    await post('slow/rollback', { version: 'v2' });
    expect(await predictor('slow')).toMatchObject({ split: { v1: 1 }, canary: null });
  });

  it('cannot steer what has no ramp, or does not run', async () => {
    expect((await post('slow/canary/pause')).status).toBe(404);
    await post('slow/deployments', { version: 'v3', backend: constant('truth'), canary: {} });
    const manual = await post('slow/canary/pause');
    expect(manual).toMatchObject({ status: 409, body: { detail: expect.stringContaining('no ramp') } });
    expect((await post('nobody/canary/pause')).status).toBe(404);
  });
});
