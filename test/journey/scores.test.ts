/** A canary whose answers are as good but whose user-defined score is worse is rolled back; one of an equal score is not. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type Answer,
  assay,
  call,
  cloudEvent,
  eventually,
  type Folder,
  projected,
  type RunningService,
  sendEvents,
  startService,
  temporaryFolder,
} from '../given.js';

const HOUR = 3_600_000;
const BUCKET = 300_000;
const BUCKETS = 16;
const PER_BUCKET = 60;

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

interface Release {
  predictor: string;
  /** Costs of the canary over those of the baseline. */
  dearer: number;
  ramp?: number[];
}

/** Half of the traffic each for some time; every answer is right, each with its cost in the metadata. */
function release({ predictor, dearer, ramp }: Release): object[] {
  const start = Math.floor(Date.now() / BUCKET) * BUCKET - 3 * HOUR;
  const policy = {
    scores: [
      { name: 'cost', from: '/usage/cost.eur', better: 'lower' },
      { name: 'polite', from: '/polite', better: 'higher', onWorse: 'hold', alpha: 0.005 },
    ],
  };
  const backend = { kind: 'recorded' };
  const events = [
    cloudEvent('predictor.deployed', 'd1', start - HOUR, { predictor, version: 'v1', backend }),
    cloudEvent('predictor.deployed', 'd2', start - 1, { predictor, version: 'v2', backend }),
    cloudEvent('predictor.canary_started', 'c', start - 1, {
      ...{ predictor, baseline: 'v1', canary: 'v2', policy },
      ...(ramp === undefined ? {} : { ramp }),
    }),
    cloudEvent('predictor.traffic_split', 's', start - 1, { predictor, split: { v1: 0.5, v2: 0.5 } }),
  ];
  for (let i = 0; i < BUCKETS * PER_BUCKET; i++) {
    const id = `${predictor}-${i}`;
    const version = i % 2 === 0 ? 'v1' : 'v2';
    const time = start + Math.floor((i / PER_BUCKET) * BUCKET);
    // Every tenth comes without a usable cost.
    const cost = i % 20 < 2 ? '0.3' : (0.2 + 0.01 * (i % 18)) * (version === 'v2' ? dearer : 1);
    const metadata = { usage: { 'cost.eur': cost }, polite: i % 7 > 0 };
    const data = { predictor, version, input: i, candidates: [{ label: 'truth' }], subject: `user-${i}` };
    events.push(cloudEvent('prediction.recorded', id, time, { ...data, metadata }));
    if (i % 3 > 0) continue;
    events.push(cloudEvent('prediction.corrected', `${id}-c`, time + 60_000, { predictionId: id, rank: 0 }));
  }
  return events;
}

async function replay(story: Release): Promise<void> {
  const events = release(story);
  for (let from = 0; from < events.length; from += 1000) {
    expect((await sendEvents(service.url, events.slice(from, from + 1000))).body.rejected).toEqual([]);
  }
  await projected(service.url);
}

const health = (predictor: string): Promise<Answer> =>
  call(service.url, `/v1/predictors/${predictor}/canary`);
const checkOf = ({ body }: Answer, name: string) =>
  body.checks.find((check: { name: string }) => check.name === name);

describe('a canary with equal answers that costs more', () => {
  beforeAll(() => replay({ predictor: 'dear', dearer: 1.6 }));

  it('ensures that the verdict is rollback, and says by which score', async () => {
    const answer = await health('dear');
    expect(answer.body.verdict).toBe('rollback');
    expect(answer.body.reason).toMatch(
      /^v2 is worse by the score cost: 0\.4\d\d on average, against 0\.2\d\d of v1 in the same hours, where lower is better/,
    );
    expect(answer.body.policy.scores).toEqual([
      { name: 'cost', from: '/usage/cost.eur', better: 'lower', tolerance: 0.01, alpha: 0.01, onWorse: 'rollback' },
      { name: 'polite', from: '/polite', better: 'higher', tolerance: 0.01, alpha: 0.005, onWorse: 'hold' },
    ]); // prettier-ignore
    expect(answer.body.checks).toHaveLength(12);
    const cost = checkOf(answer, 'score:cost');
    expect(cost).toMatchObject({ status: 'fail', alpha: 0.01, threshold: 100 });
    expect(cost.evidence).toBeGreaterThan(100);
    expect(cost.estimate).toBeGreaterThan(1.5);
    expect(cost.baseline).toMatchObject({ n: 432, leftOut: 48 });
    expect(checkOf(answer, 'score:polite')).toMatchObject({ status: 'pass', threshold: 200 });
    expect(answer.body.alpha).toEqual({ rollback: 0.05 });
    expect(answer.body.timeline.at(-1).evidence['score:cost']).toBeGreaterThan(100);
  });

  it('ensures that the command shows it, with what was left out', async () => {
    const { status, stdout } = await assay(['gate', '--predictor', 'dear', '--server', service.url], {});
    expect(status).toBe(1);
    expect(stdout).toMatch(/score:cost +fail/);
    expect(stdout).toMatch(/score:polite +pass/);
    expect(stdout).toContain('score:cost: left out 48 predictions of v1 and 48 of v2');
    expect(stdout).toContain('a canary that does no harm is rolled back in at most 5 % of releases');
  });
});

describe('a canary on a ramp', () => {
  it('ensures that one that costs more is rolled back by the service, and one that costs the same is not', async () => {
    await replay({ predictor: 'ramped-dear', dearer: 1.6, ramp: [0.5, 1] });
    await replay({ predictor: 'ramped-same', dearer: 1, ramp: [0.5, 1] });
    const split = async (predictor: string): Promise<object> =>
      (await call(service.url, `/v1/predictors/${predictor}`)).body;
    const back = await eventually(
      () => split('ramped-dear'),
      (state) => 'canary' in state && state.canary === null,
      40_000,
    );
    expect(back).toMatchObject({ split: { v1: 1 }, serving: 'v1' });
    expect(await split('ramped-same')).toMatchObject({ split: { v1: 0.5, v2: 0.5 } });
    const same = await health('ramped-same');
    expect(['hold', 'promote']).toContain(same.body.verdict);
    const cost = checkOf(same, 'score:cost');
    expect(cost.status).toBe('pass');
    expect(cost.evidence).toBeLessThan(1);
    expect(cost.canary.n).toBe(432);
  }, 60_000);
});
