/** Canary releases, back-filled over the past: a worse one is stopped, a better one passes, by HTTP and by CLI. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type Answer,
  assay,
  call,
  cloudEvent,
  type Folder,
  projected,
  type RunningService,
  sendEvents,
  startService,
  temporaryFolder,
} from '../given.js';

const HOUR = 3_600_000;
const BUCKET = 300_000;

let folder: Folder;
let service: RunningService;

beforeAll(async () => {
  folder = temporaryFolder();
  service = await startService(folder.path);
});

afterAll(async () => {
  await service.stop();
  folder.remove();
});

/** Numbers in [0, 1) that are the same in every run (Park and Miller). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

interface Release {
  predictor: string;
  /** Share of right answers. */
  baseline: number;
  canary: number;
  buckets: number;
  perBucket: number;
}

/** Half of the traffic each, for some hours up to now; wrong answers are corrected twice as often as right ones confirmed. */
function* release({ predictor, baseline, canary, buckets, perBucket }: Release): Generator<object> {
  const random = seeded(7);
  const start = Math.floor(Date.now() / BUCKET) * BUCKET - 30 * HOUR;
  const policy = { latencyLimitMs: 500 };
  const head = { predictor };
  yield cloudEvent('predictor.deployed', `${predictor}-d1`, start - HOUR, {
    ...head,
    version: 'v1',
    backend: { kind: 'recorded' },
  });
  yield cloudEvent('predictor.deployed', `${predictor}-d2`, start - 1, {
    ...head,
    version: 'v2',
    backend: { kind: 'recorded' },
  });
  yield cloudEvent('predictor.canary_started', `${predictor}-c`, start - 1, {
    ...head,
    baseline: 'v1',
    canary: 'v2',
    policy,
  });
  yield cloudEvent('predictor.traffic_split', `${predictor}-s`, start - 1, {
    ...head,
    split: { v1: 0.5, v2: 0.5 },
  });
  for (let i = 0; i < buckets * perBucket; i++) {
    const time = start + Math.floor((i / perBucket) * BUCKET);
    const version = random() < 0.5 ? 'v1' : 'v2';
    const isRight = random() < (version === 'v1' ? baseline : canary);
    const id = `${predictor}-${i}`;
    const candidates = [
      { label: isRight ? 'truth' : 'error', confidence: 0.8 },
      { label: 'other', confidence: 0.2 },
    ];
    const data = { ...head, version, input: i, candidates, subject: `user-${i}`, latencyMs: 20 };
    yield cloudEvent('prediction.recorded', id, time, data);
    if (random() > (isRight ? 0.3 : 0.6)) continue;
    const at = time + Math.floor(random() * HOUR);
    yield cloudEvent('prediction.corrected', `${id}-c`, at, { predictionId: id, label: 'truth' });
  }
}

async function replay(story: Release): Promise<void> {
  let batch: object[] = [];
  for (const event of release(story)) {
    batch.push(event);
    if (batch.length < 1000) continue;
    expect((await sendEvents(service.url, batch)).body.rejected).toEqual([]);
    batch = [];
  }
  expect((await sendEvents(service.url, batch)).body.rejected).toEqual([]);
  await projected(service.url);
}

const health = (predictor: string): Promise<Answer> =>
  call(service.url, `/v1/predictors/${predictor}/canary`);
const gate = (predictor: string): Promise<Answer> =>
  call(service.url, `/v1/predictors/${predictor}/canary/gate`);

describe('a canary that is worse', () => {
  beforeAll(() => replay({ predictor: 'worse', baseline: 0.8, canary: 0.5, buckets: 60, perBucket: 100 }));

  it('ensures that the verdict is rollback, with its evidence', async () => {
    const { status, body } = await health('worse');
    expect(status).toBe(200);
    expect(body).toMatchObject({ predictor: 'worse', baseline: 'v1', canary: 'v2', verdict: 'rollback' });
    expect(body.reason).toContain('v2');
    const check = body.checks.find(({ name }: { name: string }) => name === 'wrong-up');
    expect(check.evidence).toBeGreaterThan(check.threshold);
    expect(check.interval[0]).toBeLessThan(check.estimate);
    expect(check.interval[1]).toBeGreaterThan(check.estimate);
    expect(body.checks).toHaveLength(10);
    expect(body.policy.latencyLimitMs).toBe(500);
  });

  it('ensures that a verdict is not taken for one about another version', async () => {
    const path = '/v1/predictors/worse/canary';
    expect((await call(service.url, `${path}?version=v2`)).status).toBe(200);
    expect((await call(service.url, `${path}/gate?for=rollback&version=v2`)).status).toBe(200);
    for (const route of ['?version=v3', '/gate?version=v3', '/gate?for=rollback&version=v3']) {
      const { status, body } = await call(service.url, `${path}${route}`);
      expect([status, body.type]).toEqual([409, 'urn:assay:problem:other-canary']);
      expect(body.detail).toContain('The canary of worse is v2, not v3.');
    }
    const ask = (canary: string) =>
      assay(['gate', '--predictor', 'worse', '--canary', canary, '--server', service.url], {});
    expect(await ask('v2')).toMatchObject({ status: 1 });
    const other = await ask('v3');
    expect(other).toMatchObject({ status: 3 });
    expect(other.stderr).toContain('start v3 as canary first');
  });

  it('ensures that the gate says so by its status, and the command by its exit status', async () => {
    const answer = await gate('worse');
    expect(answer.status).toBe(409);
    expect(answer.body.verdict).toBe('rollback');
    const command = await assay(['gate', '--predictor', 'worse', '--server', service.url], {});
    expect(command.status).toBe(1);
    expect(command.stdout).toMatch(/Verdict: ROLLBACK/);
    expect(command.stdout).toMatch(/wrong-up +fail/);
    expect(command.stdout).toMatch(/wrong-up +fail .*[▂-█]+/);
    const comment = await assay(['gate', '--predictor', 'worse', '--markdown', '--server', service.url], {});
    expect(comment.stdout).toMatch(/^### worse: ❌ rollback v2\n\nv2 gives more wrong answers/);
    expect(comment.stdout).toContain('| ❌ `wrong-up` |');
    const { timeline, checks } = answer.body;
    expect(timeline.length).toBeGreaterThan(10);
    const wrongUp = checks.find(({ name }: { name: string }) => name === 'wrong-up');
    expect(timeline.at(-1).evidence['wrong-up'] / wrongUp.evidence).toBeCloseTo(1, 2);
  });

  it('ensures that the verdict is an event, written once', async () => {
    await health('worse');
    const { body } = await call(service.url, '/v1/events?limit=1000');
    let events = body.events;
    for (let next = body.next; next !== null;) {
      const page = (await call(service.url, `/v1/events?limit=1000&after=${next}`)).body;
      events = events.concat(page.events);
      next = page.next;
    }
    const judged = events.filter(({ type }: { type: string }) => type === 'assay.predictor.canary_judged');
    expect(judged).toHaveLength(1);
    expect(judged[0].data).toMatchObject({ predictor: 'worse', canary: 'v2', verdict: 'rollback' });
    expect(judged[0].data.evidence.checks).toHaveLength(10);
  });

  it('ensures that rolling back ends the canary and gives its traffic back', async () => {
    const { body } = await call(service.url, '/v1/predictors/worse/rollback', {
      json: { version: 'v2', reason: 'gate' },
    });
    expect(body.split).toEqual({ v1: 1 });
    expect((await health('worse')).status).toBe(404);
    expect((await call(service.url, '/v1/predictors/worse')).body).toMatchObject({
      serving: 'v1',
      canary: null,
    });
  });
});

describe('a canary that is better', () => {
  beforeAll(() => replay({ predictor: 'better', baseline: 0.6, canary: 0.85, buckets: 60, perBucket: 100 }));

  it('ensures that the gate opens', async () => {
    const answer = await gate('better');
    expect(answer.body).toMatchObject({ verdict: 'promote' });
    expect(answer.status).toBe(200);
    const command = await assay(['gate', '--predictor', 'better', '--json', '--server', service.url], {});
    expect(command.status).toBe(0);
    expect(JSON.parse(command.stdout)).toMatchObject({ verdict: 'promote', canary: 'v2' });
  });

  it('ensures that a second canary is refused while one runs', async () => {
    const { status, body } = await call(service.url, '/v1/predictors/better/deployments', {
      json: { version: 'v3', backend: { kind: 'recorded' }, canary: {} },
    });
    expect(status).toBe(409);
    expect(body.detail).toMatch(/"v2" is already the canary/);
  });

  it('ensures that promoting gives it all traffic', async () => {
    const { body } = await call(service.url, '/v1/predictors/better/promote', { json: { version: 'v2' } });
    expect(body.split).toEqual({ v2: 1 });
    expect((await call(service.url, '/v1/predictors/better')).body).toMatchObject({
      serving: 'v2',
      canary: null,
    });
  });
});

describe('a canary that nobody has used yet', () => {
  it('ensures that the gate stays shut and says when to ask again', async () => {
    const constant = { kind: 'constant', candidates: [{ label: 'a' }] };
    await call(service.url, '/v1/predictors/young/deployments', {
      json: { version: 'v1', backend: constant },
    });
    const deployed = await call(service.url, '/v1/predictors/young/deployments', {
      json: {
        version: 'v2',
        backend: constant,
        trafficShare: 0.25,
        canary: { policy: { tolerance: 0.2 }, ramp: [0.25, 1] },
      },
    });
    expect(deployed.body).toMatchObject({
      split: { v1: 0.75, v2: 0.25 },
      canary: { baseline: 'v1', policy: { tolerance: 0.2 } },
    });
    const answer = await gate('young');
    expect(answer.status).toBe(425);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(answer.body.verdict).toBe('insufficient');
    const command = await assay(
      ['gate', '--predictor', 'young', '--wait', '1s', '--server', service.url],
      {},
    );
    expect(command.status).toBe(2);
  });

  it('ensures that an error of the gate is neither a yes nor a no', async () => {
    const unknown = await assay(['gate', '--predictor', 'nobody', '--server', service.url], {});
    expect(unknown.status).toBe(3);
    expect(unknown.stderr).toMatch(/There is no predictor "nobody"/);
    const nowhere = await assay(['gate', '--predictor', 'young', '--server', 'http://127.0.0.1:9'], {});
    expect(nowhere.status).toBe(3);
    expect(nowhere.stderr).toMatch(/assay serve/);
    const usage = await assay(['gate'], {});
    expect(usage.status).toBe(3);
  });

  it('ensures that a subject stays with its version while the split stands', async () => {
    const versions = new Map<string, Set<string>>();
    for (let i = 0; i < 200; i++) {
      const subject = `user-${i % 50}`;
      const { body } = await call(service.url, '/v1/predictors/young/predictions', {
        json: { input: i, subject },
      });
      versions.set(subject, (versions.get(subject) ?? new Set()).add(body.version));
    }
    expect([...versions.values()].every((seen) => seen.size === 1)).toBe(true);
    expect(new Set([...versions.values()].flatMap((seen) => [...seen])).size).toBe(2);
  });
});
