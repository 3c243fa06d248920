/** A challenger over HTTP: it answers beside, unseen, is compared on the users' labels, and never stands in their way. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type Answer,
  assay,
  call,
  cloudEvent,
  eventually,
  type Folder,
  type Predictor,
  projected,
  type RunningService,
  sendEvents,
  startPredictor,
  startService,
  temporaryFolder,
} from '../given.js';

let folder: Folder;
let service: RunningService;
let shown: Predictor;
let hidden: Predictor;
/** How the challenger answers; the shown version says "bread" to everything. */
let answerHidden: 'milk' | 'broken' | 'never' = 'milk';

const candidates = (label: string) => JSON.stringify({ candidates: [{ label, confidence: 0.9 }, { label: 'other', confidence: 0.1 }] }); // prettier-ignore

beforeAll(async () => {
  folder = temporaryFolder();
  service = await startService(folder.path);
  shown = await startPredictor((_, response) => response.end(candidates('bread')));
  hidden = await startPredictor((_, response) => {
    if (answerHidden === 'broken') response.writeHead(500).end('broken');
    if (answerHidden === 'milk') response.end(candidates('milk'));
  });
  await deploy({ version: 'v1', backend: { kind: 'http', url: shown.url } });
});

afterAll(async () => {
  await service.stop();
  await shown.close();
  await hidden.close();
  folder.remove();
});

const at = (path: string, options?: Parameters<typeof call>[2]) =>
  call(service.url, `/v1/predictors/shop${path}`, options);
const deploy = (json: object) => at('/deployments', { json });
const predict = (more: object = {}) => at('/predictions', { json: { input: 'x', ...more } });
const read = (id: string) => call(service.url, `/v1/predictions/${id}`);
const shadowed = (id: string): Promise<Answer> =>
  eventually(
    () => read(id),
    ({ body }) => body.shadows.length > 0,
  );
const challenger = () => ({ kind: 'http', url: hidden.url, timeoutMs: 60_000 });

describe('a deployment with "shadow": true', () => {
  it('ensures that it fits the state', async () => {
    const of = (more: object) => deploy({ version: 'v2', backend: challenger(), ...more });
    expect((await of({ shadow: true, trafficShare: 0.1 })).body.errors[0].pointer).toBe('/trafficShare');
    expect((await of({ shadow: true, canary: {} })).body.errors[0].pointer).toBe('/canary');
    expect((await of({ challenger: {} })).body.errors[0].pointer).toBe('/challenger');
    const odds = { shadow: true, challenger: { policy: { labelOdds: [4, 1] } } };
    expect((await of(odds)).body.errors[0].pointer).toBe('/challenger/policy/labelOdds');
    expect((await of({ shadow: false })).status).toBe(400);
    const serving = await deploy({ version: 'v1', backend: challenger(), shadow: true });
    expect(serving).toMatchObject({ status: 409 });
    expect(serving.body.detail).toContain('cannot answer unseen');
    expect((await at('/challengers/v2')).body.type).toBe('urn:assay:problem:unknown-challenger');
  });

  it('ensures that the version answers beside, and that users see nothing of it', async () => {
    const policy = { labelOdds: [1, 1], labelWindowSeconds: 1, bucketSeconds: 1 };
    const { status, body } = await deploy({
      version: 'v2',
      backend: challenger(),
      shadow: true,
      challenger: { policy },
    });
    expect(status).toBe(201);
    expect(body.split).toEqual({ v1: 1 });
    expect(body.challenger).toMatchObject({ baseline: 'v1', challenger: 'v2', policy });
    const answer = await predict();
    expect(answer.body.version).toBe('v1');
    expect(JSON.stringify(answer.body)).not.toContain('milk');
    const stored = (await shadowed(answer.body.id)).body;
    expect(stored.candidates[0].label).toBe('bread');
    expect(stored.shadows).toEqual([
      expect.objectContaining({ version: 'v2', status: 'ok', latencyMs: expect.any(Number) }),
    ]);
    expect(stored.shadows[0].candidates[0]).toEqual({ label: 'milk', confidence: 0.9 });
  });

  it('ensures that the limit of the request holds for both, and that pinned predictions are left alone', async () => {
    const one = await predict({ limit: 1 });
    expect((await shadowed(one.body.id)).body.shadows[0].candidates).toHaveLength(1);
    const asked = hidden.asked.length;
    const pinned = await predict({ version: 'v1' });
    const next = await predict();
    await shadowed(next.body.id);
    expect(hidden.asked.length).toBe(asked + 1);
    expect((await read(pinned.body.id)).body.shadows).toEqual([]);
  });
});

describe('a challenger that fails', () => {
  it('ensures that its failure is recorded and users see their answer', async () => {
    answerHidden = 'broken';
    const { status, body } = await predict();
    expect(status).toBe(201);
    const [shadow] = (await shadowed(body.id)).body.shadows;
    expect(shadow).toMatchObject({
      version: 'v2',
      status: 'failed',
      candidates: [],
      error: { kind: 'rejected' },
    });
  });

  it('ensures that one that never answers delays nobody, and that calls beyond the limit are left out', async () => {
    answerHidden = 'never';
    const asked = hidden.asked.length;
    for (let i = 0; i < 70; i++) expect((await predict()).status).toBe(201);
    await eventually(
      () => at('/challengers/v2'),
      ({ body }) => body.shadowed.skipped === 6,
    );
    await eventually(
      () => Promise.resolve(hidden.asked.length),
      (now) => now === asked + 64,
    );
    const metrics = (await call(service.url, '/metrics')).body as string;
    expect(metrics).toContain('assay_shadow_calls_total{predictor="shop",version="v2",outcome="skipped"} 6');
    await hidden.close();
  });
});

describe('the verdict', () => {
  const started = Date.now() - 3_600_000;
  const event = (type: string, id: string, after: number, data: object) =>
    cloudEvent(type, id, started + after, data);

  it('ensures that pairs from elsewhere are judged, on what users said of the shown answer', async () => {
    const policy = { labelOdds: [1, 1], labelWindowSeconds: 60, bucketSeconds: 60 };
    const told = [
      event('predictor.deployed', 'd1', 0, { predictor: 'far', version: 'a', backend: { kind: 'recorded' } }),
      event('predictor.deployed', 'd2', 1, { predictor: 'far', version: 'b', backend: { kind: 'recorded' } }),
      event('predictor.challenger_started', 'd3', 2, {
        predictor: 'far',
        baseline: 'a',
        challenger: 'b',
        policy,
      }),
    ];
    const of = (i: number, wins: boolean) => {
      const about = { predictionId: `far-${i}`, predictor: 'far' };
      const label = wins ? 'right' : 'wrong';
      return [
        event('prediction.recorded', `far-${i}`, 120_000 + i, { ...about, version: 'a', input: 'x', candidates: [{ label: wins ? 'wrong' : 'right' }] }), // prettier-ignore
        event('prediction.shadowed', `s-${i}`, 120_010 + i, { ...about, version: 'b', candidates: [{ label }], latencyMs: 5 }), // prettier-ignore
        event('prediction.corrected', `c-${i}`, 121_000 + i, { predictionId: `far-${i}`, label: 'right' }),
      ];
    };
    // Nobody wins in most of them; where they differ, the challenger is right in 30 and the shown version in 1.
    const same = Array.from({ length: 100 }, (_, i) => of(i, false)).map((events, i) =>
      i === 0
        ? events
        : events.map((one) => JSON.parse(JSON.stringify(one).replace('"wrong"', '"right"')) as object),
    );
    const won = Array.from({ length: 30 }, (_, i) => of(100 + i, true));
    const sent = await sendEvents(service.url, [...told, ...same.flat(), ...won.flat()]);
    expect(sent.body).toMatchObject({ accepted: 3 + 3 * 130, rejected: [] });
    await projected(service.url);
    const { body } = await call(service.url, '/v1/predictors/far/challengers/b');
    expect(body).toMatchObject({
      predictor: 'far',
      challenger: 'b',
      baseline: 'a',
      verdict: 'ready',
      pairs: { bothRight: 99, onlyShownRight: 1, onlyChallengerRight: 30, bothWrong: 0, shownWrong: 0 },
      shadowed: { predictions: 130, failed: 0, skipped: 0, latencyP50: 5 },
    });
    expect(body.reason).toContain('Make it the canary');
    const all = await call(service.url, '/v1/predictors/far/challengers');
    expect(all.body.challengers).toHaveLength(1);
  });

  it('ensures that the command shows them', async () => {
    const command = ['challengers', '--predictor', 'far', '--server', service.url];
    const { status, stdout } = await assay(command, {});
    expect(status).toBe(0);
    expect(stdout).toMatch(/^b in the shadow of a since /);
    expect(stdout).toContain('Verdict: READY (reached ');
    expect(stdout).toMatch(/^a wrong +30 +0 +0$/m);
    const { stdout: json } = await assay([...command, '--json'], {});
    expect(JSON.parse(json)).toMatchObject({ challengers: [{ challenger: 'b', verdict: 'ready' }] });
    const none = await assay(['challengers', '--predictor', 'nobody', '--server', service.url], {});
    expect([none.status, none.stderr]).toEqual([3, expect.stringContaining('nobody')]);
  });

  it('ensures that a second answer and one of the version itself are refused', async () => {
    const about = { predictionId: 'far-0', predictor: 'far', candidates: [] };
    const { body } = await sendEvents(service.url, [
      event('prediction.shadowed', 'again', 200_000, { ...about, version: 'b' }),
      event('prediction.shadowed', 'self', 200_000, { ...about, version: 'a' }),
      event('prediction.shadowed', 'neither', 200_000, {
        predictionId: 'far-0',
        predictor: 'far',
        version: 'c',
      }),
    ]);
    expect(body.accepted).toBe(0);
    expect(body.rejected.map(({ id }: { id: string }) => id)).toEqual(['again', 'self', 'neither']);
  });
});

describe('the end of a challenger', () => {
  it('ensures that there are three at most, and that one can be stopped', async () => {
    const backend = { kind: 'constant', candidates: [{ label: 'milk' }] };
    for (const version of ['v3', 'v4'])
      expect((await deploy({ version, backend, shadow: true })).status).toBe(201);
    const fourth = await deploy({ version: 'v5', backend, shadow: true });
    expect(fourth.status).toBe(409);
    expect(fourth.body.detail).toContain('DELETE /v1/predictors/shop/challengers/v2');
    const { body } = await predict();
    const all = await eventually(
      () => read(body.id),
      (answer) => answer.body.shadows.length === 3,
    );
    const versions = all.body.shadows.map(({ version }: { version: string }) => version);
    expect(versions.sort()).toEqual(['v2', 'v3', 'v4']);
    expect((await at('/challengers/v2', { method: 'DELETE' })).status).toBe(204);
    expect((await at('/challengers/v2', { method: 'DELETE' })).status).toBe(404);
    expect((await at('')).body.challengers.map((one: { challenger: string }) => one.challenger)).toEqual([
      'v3',
      'v4',
    ]);
  });

  it('ensures that it ends as the canary, and that the others are compared with what serves then', async () => {
    const backend = { kind: 'constant', candidates: [{ label: 'milk' }] };
    await deploy({ version: 'v3', backend, canary: {} });
    expect((await at('')).body.challengers).toMatchObject([{ challenger: 'v4', baseline: 'v1' }]);
    await at('/promote', { json: { version: 'v3' } });
    expect((await at('')).body.challengers).toMatchObject([{ challenger: 'v4', baseline: 'v3' }]);
    const { body } = await predict();
    expect((await shadowed(body.id)).body).toMatchObject({ version: 'v3', shadows: [{ version: 'v4' }] });
  });

  it('ensures that the warehouse keeps what was answered, and verifies', async () => {
    await projected(service.url);
    const { body } = await call(service.url, '/v1/verifications', { method: 'POST' });
    expect(body).toMatchObject({ equal: true, differences: [] });
  });
});
