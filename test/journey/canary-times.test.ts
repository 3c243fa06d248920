/** Clocks that differ, and labels of before: counted where they belong or refused with a reason. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type Answer,
  call,
  cloudEvent,
  type Folder,
  projected,
  type RunningService,
  sendEvents,
  startService,
  temporaryFolder,
} from '../given.js';

const MINUTE = 60_000;
const BUCKET = 5 * MINUTE;

let folder: Folder;
let service: RunningService;
/** Start of the canary, at the edge of a bucket two hours ago. */
let start: number;

beforeAll(async () => {
  folder = temporaryFolder();
  service = await startService(folder.path);
  start = Math.floor(Date.now() / BUCKET) * BUCKET - 120 * MINUTE;
  const backend = { kind: 'recorded' };
  const predictor = 'p';
  const { body } = await sendEvents(service.url, [
    cloudEvent('predictor.deployed', 'd1', start - BUCKET, { predictor, version: 'v1', backend }),
    cloudEvent('predictor.deployed', 'd2', start - 1, { predictor, version: 'v2', backend }),
    cloudEvent('predictor.canary_started', 'c', start, { predictor, baseline: 'v1', canary: 'v2' }),
    cloudEvent('predictor.traffic_split', 's', start, { predictor, split: { v1: 0.5, v2: 0.5 } }),
  ]);
  expect(body.rejected).toEqual([]);
});

afterAll(async () => {
  await service.stop();
  folder.remove();
});

const predicted = (id: string, time: number, version = 'v2'): object =>
  cloudEvent('prediction.recorded', id, time, {
    ...{ predictor: 'p', version, input: 1, candidates: [{ label: 'a' }], subject: `user of ${id}` },
  });
const corrected = (id: string, time: number): object =>
  cloudEvent('prediction.corrected', `${id}-c`, time, { predictionId: id, label: 'b' });

async function sent(...events: object[]): Promise<Answer['body']> {
  const { body } = await sendEvents(service.url, events);
  await projected(service.url);
  return body;
}

/** Labels of the canary in closed cells, and its subjects there. */
async function counted(): Promise<{ n: number; wrong: number }> {
  const { n, wrong } = (await call(service.url, '/v1/predictors/p/canary')).body.labels.canary;
  return { n, wrong };
}

const outcome = async (id: string): Promise<string | undefined> =>
  (await call(service.url, `/v1/predictions/${id}`)).body.outcome?.status;

describe('the times of events', () => {
  it('ensures that a prediction and its correction count by their own times', async () => {
    await sent(predicted('usual', start + 1000), corrected('usual', start + 2 * MINUTE));
    expect(await counted()).toEqual({ n: 1, wrong: 1 });
  });

  it('ensures that a prediction of before the canary does not count in it, whenever it is corrected', async () => {
    const before = await counted();
    const body = await sent(predicted('before', start - MINUTE), corrected('before', start + MINUTE));
    expect(body).toMatchObject({ accepted: 2, rejected: [] });
    expect(await counted()).toEqual(before);
    expect(await outcome('before')).toBe('missed');
  });

  it('ensures that a correction dated before its known prediction is refused with a reason', async () => {
    const before = await counted();
    const body = await sent(predicted('known', start + 1000), corrected('known', start));
    expect(body.accepted).toBe(1);
    expect(body.rejected[0].detail).toMatch(/^\/time lies before the prediction itself \(20\d\d-/);
    expect(await counted()).toEqual({ ...before, n: before.n + 1 });
    const { status, body: problem } = await call(service.url, '/v1/predictions/known/corrections', {
      json: { label: 'b', occurredAt: new Date(start).toISOString() },
    });
    expect(status).toBe(400);
    expect(problem.errors).toMatchObject([{ pointer: '/occurredAt' }]);
  });

  it('ensures that one that arrives ahead of its prediction counts at age 0, though its clock is behind', async () => {
    const before = await counted();
    await sent(corrected('ahead', start + 1000));
    const body = await sent(predicted('ahead', start + MINUTE));
    expect(body).toMatchObject({ accepted: 1, rejected: [] });
    expect(await counted()).toEqual({ n: before.n + 1, wrong: before.wrong + 1 });
    expect(await outcome('ahead')).toBe('missed');
  });

  it('ensures that a prediction slightly ahead of the clock is taken, and counts when its cell has closed', async () => {
    const before = await counted();
    const body = await sent(predicted('fast', Date.now() + 4 * MINUTE));
    expect(body).toMatchObject({ accepted: 1, rejected: [] });
    expect(await counted()).toEqual(before);
    const { status } = await call(service.url, '/v1/predictions/fast/corrections', { json: { label: 'b' } });
    expect(status).toBe(201);
    await projected(service.url);
    expect(await counted()).toEqual(before);
    expect(await outcome('fast')).toBe('missed');
  });

  it('ensures that one far ahead of the clock is refused with a reason', async () => {
    const body = await sent(predicted('future', Date.now() + 10 * MINUTE));
    expect(body).toMatchObject({ accepted: 0 });
    expect(body.rejected[0].detail).toMatch(/\/time lies more than 5 minutes in the future/);
  });

  it('ensures that a correction that comes hours late counts at the age it says, once that age has closed', async () => {
    const before = await counted();
    const body = await sent(predicted('late', start + 2000), corrected('late', start + 30 * MINUTE));
    expect(body.rejected).toEqual([]);
    expect(await counted()).toEqual({ n: before.n + 1, wrong: before.wrong + 1 });
  });
});
