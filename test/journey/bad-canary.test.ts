/** Policies and ramps out of range, and canaries that do not fit what runs: refused with the field and with what to do. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  call,
  cloudEvent,
  type Folder,
  type RunningService,
  sendEvents,
  startService,
  temporaryFolder,
} from '../given.js';

let folder: Folder;
let service: RunningService;

beforeAll(async () => {
  folder = temporaryFolder();
  service = await startService(folder.path);
  const constant = { kind: 'constant', candidates: [{ label: 'a', confidence: 0.9 }] };
  await call(service.url, '/v1/predictors/p/deployments', { json: { version: 'v1', backend: constant } });
  await call(service.url, '/v1/predictors/c/deployments', { json: { version: 'v1', backend: constant } });
  await call(service.url, '/v1/predictors/c/deployments', {
    json: { version: 'v2', backend: constant, canary: {} },
  });
  await call(service.url, '/v1/predictors/c/deployments', { json: { version: 'v3', backend: constant } });
});

afterAll(async () => {
  await service.stop();
  folder.remove();
});

const http = { kind: 'http', url: 'http://127.0.0.1:9/' };

async function events(): Promise<number> {
  return (await call(service.url, '/v1/status')).body.events;
}

type Case = [name: string, canary: object, pointer: string];

const policy = (name: string, terms: object, pointer: string): Case => [
  name,
  { policy: terms },
  `/canary/policy${pointer}`,
];
const ramp = (name: string, shares: unknown, pointer: string): Case => [
  name,
  { ramp: shares },
  `/canary/ramp${pointer}`,
];
const cost = { name: 'cost', from: '/cost', better: 'lower' };
const score = (name: string, change: object, pointer: string): Case =>
  policy(name, { scores: [{ ...cost, ...change }] }, `/scores/0${pointer}`);

const CASES: Case[] = [
  policy('a tolerance out of range', { tolerance: 2 }, '/tolerance'),
  policy('a tolerance of nothing', { tolerance: 0 }, '/tolerance'),
  policy('an alpha of 0', { alpha: { 'wrong-up': 0 } }, '/alpha/wrong-up'),
  policy('an alpha beyond a half', { alpha: { 'errors-up': 0.51 } }, '/alpha/errors-up'),
  policy('an alpha of an unknown check', { alpha: { 'wrong-down': 0.01 } }, '/alpha/wrong-down'),
  policy('confirmations of another word', { confirmations: 'maybe' }, '/confirmations'),
  policy('a rank of right that is no rank', { rightWithin: 0 }, '/rightWithin'),
  policy('a policy of null in it', { latencyLimitMs: null }, '/latencyLimitMs'),
  policy('age edges that do not ascend', { ageEdgesSeconds: [0, 60, 30] }, '/ageEdgesSeconds'),
  policy('age edges that stand still', { ageEdgesSeconds: [0, 60, 60] }, '/ageEdgesSeconds'),
  policy('age edges that do not begin with 0', { ageEdgesSeconds: [1, 60] }, '/ageEdgesSeconds'),
  policy('an age edge that is no whole number', { ageEdgesSeconds: [0, 0.5] }, '/ageEdgesSeconds/1'),
  policy('a single age edge', { ageEdgesSeconds: [0] }, '/ageEdgesSeconds'),
  policy('buckets of nothing', { bucketSeconds: 0 }, '/bucketSeconds'),
  policy('buckets far too short for the label ages', { bucketSeconds: 1 }, '/bucketSeconds'),
  policy(
    'label ages far too long for the buckets',
    { ageEdgesSeconds: [0, 300, 31_536_000] },
    '/bucketSeconds',
  ),
  ramp('a ramp that does not ascend', [0.5, 0.1], ''),
  ramp('a ramp that stands still', [0.1, 0.1], ''),
  ramp('a ramp beyond all traffic', [0.5, 1.5], '/1'),
  ramp('a ramp that begins with nothing', [0, 0.5], '/0'),
  ramp('a ramp without a step', [], ''),
  score('a score with a bad name', { name: 'Cost €' }, '/name'),
  score('a score with a long name', { name: 'c'.repeat(41) }, '/name'),
  score('a score whose pointer does not begin', { from: 'cost' }, '/from'),
  score('a score from an element of a list', { from: '/costs/0' }, '/from'),
  score('a score from a quoted field', { from: `/cost"') --` }, '/from'),
  score('a score without a direction', { better: undefined }, '/better'),
  score('a score that is better sideways', { better: 'left' }, '/better'),
  score('a score with a tolerance of 1', { tolerance: 1 }, '/tolerance'),
  score('a score with a tolerance of 0', { tolerance: 0 }, '/tolerance'),
  score('a score with an alpha of 0', { alpha: 0 }, '/alpha'),
  score('a score that does something else', { onWorse: 'panic' }, '/onWorse'),
  score('a score with an unknown field', { weight: 2 }, '/weight'),
  policy('a score twice', { scores: [cost, { ...cost, from: '/other' }] }, '/scores/1/name'),
  policy(
    'more than 8 scores',
    { scores: Array.from({ length: 9 }, (_, i) => ({ ...cost, name: `c${i}` })) },
    '/scores',
  ),
  policy('scores that are no list', { scores: cost }, '/scores'),
];

describe('terms of a canary that are out of range', () => {
  it.each(CASES)('ensures that %s is refused, with the field', async (_, canary, pointer) => {
    const before = await events();
    const json = { version: 'v3', backend: http, canary };
    const answer = await call(service.url, '/v1/predictors/p/deployments', { json });
    expect(answer.status).toBe(400);
    expect(answer.body.type).toBe('urn:assay:problem:invalid-request');
    expect(answer.body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer);
    for (const { detail } of answer.body.errors) expect(detail.length).toBeGreaterThan(8);
    expect(await events()).toBe(before);
  });
});

/** What does not fit the canary that runs on `c`, v2 against v1; what the answer says to do. */
const CANARY_CASES: [name: string, path: string, body: object, status: number, detail: RegExp][] = [
  [
    'a second canary while one runs',
    'deployments',
    { version: 'v3', backend: http, canary: {} },
    409,
    /"v2" is already the canary of c\. Promote it or roll it back first/,
  ],
  [
    'the same canary once more',
    'deployments',
    { version: 'v2', backend: http, canary: {} },
    409,
    /Promote it or roll it back first/,
  ],
  [
    'a promotion of a version that does not exist',
    'promote',
    { version: 'v9' },
    404,
    /no version "v9" \(deployed: v1, v2, v3\)/,
  ],
  ['a rollback of a version that does not exist', 'rollback', { version: 'v9' }, 404, /deployed: v1, v2, v3/],
  [
    'a promotion of the baseline',
    'promote',
    { version: 'v1' },
    409,
    /canary of c is "v2", not "v1": name it in "version"/,
  ],
  ['a rollback of another version', 'rollback', { version: 'v3' }, 409, /is "v2", not "v3": name it/],
  ['a step of a ramp that there is not', 'canary/skip', {}, 409, /moved by hand, with POST .*traffic/],
];

describe('what does not fit the canary that runs', () => {
  it.each(CANARY_CASES)(
    'ensures that %s is refused, with what to do',
    async (_, path, json, status, detail) => {
      const before = await events();
      const answer = await call(service.url, `/v1/predictors/c/${path}`, { json });
      expect(answer.status).toBe(status);
      expect(answer.body.detail).toMatch(detail);
      expect(await events()).toBe(before);
      expect((await call(service.url, '/v1/predictors/c')).body.canary).toMatchObject({ canary: 'v2' });
    },
  );
});

type EventCase = [name: string, event: object, detail: RegExp];

const EVENT_CASES: EventCase[] = [
  ...(
    [
      ['an alpha out of range', { alpha: { 'wrong-up': 2 } }, /\/data\/policy\/alpha\/wrong-up/],
      [
        'edges that do not ascend',
        { ageEdgesSeconds: [0, 9, 3] },
        /\/data\/policy\/ageEdgesSeconds must begin/,
      ],
      ['a policy of null', null, /\/data\/policy/],
      ['scores that are no list', { scores: 'cost' }, /\/data\/policy\/scores/],
      ['a score twice', { scores: [cost, cost] }, /\/data\/policy\/scores\/1\/name is the name of a score/],
      ['a score out of range', { scores: [{ ...cost, tolerance: 3 }] }, /\/scores\/0\/tolerance/],
    ] as const
  ).map(([name, terms, detail]): EventCase => [
    `a canary with ${name}`,
    cloudEvent('predictor.canary_started', 'x', 0, {
        predictor: 'p', baseline: 'v1', canary: 'v2', policy: terms,
      }), // prettier-ignore
    detail,
  ]),
  [
    'a ramp that does not ascend',
    cloudEvent('predictor.canary_started', 'x', 0, {
      predictor: 'p', baseline: 'v1', canary: 'v2', ramp: [0.5, 0.1],
    }), // prettier-ignore
    /\/data\/ramp must ascend/,
  ],
];

describe('an event of a canary that does not fit', () => {
  it.each(EVENT_CASES)('ensures that %s is rejected by itself', async (_, event, detail) => {
    const before = await events();
    const { status, body } = await sendEvents(service.url, [event]);
    expect(status).toBe(200);
    expect(body).toMatchObject({ accepted: 0, duplicates: 0, rejected: [{ index: 0, id: 'x' }] });
    expect(body.rejected[0].detail).toMatch(detail);
    expect(await events()).toBe(before);
  });
});
