/** Every request that does not fit is refused with a reason, and none of them records anything. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  call,
  type CallOptions,
  cloudEvent,
  type Folder,
  type RunningService,
  sendEvents,
  startService,
  temporaryFolder,
} from '../given.js';

let folder: Folder;
let service: RunningService;
let predictionId: string;

beforeAll(async () => {
  folder = temporaryFolder();
  service = await startService(folder.path);
  const constant = { kind: 'constant', candidates: [{ label: 'a', confidence: 0.9 }, { label: 'b' }] };
  await call(service.url, '/v1/predictors/p/deployments', { json: { version: 'v1', backend: constant } });
  await call(service.url, '/v1/predictors/p/deployments', {
    json: { version: 'v2', backend: { kind: 'recorded' } },
  });
  predictionId = (await call(service.url, '/v1/predictors/p/predictions', { json: { input: 'x' } })).body.id;
});

afterAll(async () => {
  await service.stop();
  folder.remove();
});

const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;
const many = (n: number): object[] => Array.from({ length: n }, (_, i) => ({ label: `l${i}` }));
const http = { kind: 'http', url: 'http://127.0.0.1:9/' };
const predict = '/v1/predictors/p/predictions';
const deploy = '/v1/predictors/p/deployments';
const traffic = '/v1/predictors/p/traffic';
const correct = (): string => `/v1/predictions/${predictionId}/corrections`;

type Case = [
  name: string,
  path: string | (() => string),
  options: CallOptions,
  status: number,
  pointer?: string,
];

const CASES: Case[] = [
  ['an unknown predictor', '/v1/predictors/q/predictions', { json: { input: 1 } }, 404],
  ['an unknown predictor, read', '/v1/predictors/q', {}, 404],
  ['the canary of an unknown predictor', '/v1/predictors/q/canary', {}, 404],
  ['a canary where none runs', '/v1/predictors/p/canary', {}, 404],
  ['a gate where no canary runs', '/v1/predictors/p/canary/gate', {}, 404],
  ['traffic of an unknown predictor', '/v1/predictors/q/traffic', { json: { split: { v1: 1 } } }, 404],
  ['an unknown version', predict, { json: { input: 1, version: 'v9' } }, 404],
  ['an unknown prediction, read', '/v1/predictions/nope', {}, 404],
  ['an unknown prediction, corrected', '/v1/predictions/nope/corrections', { json: { rank: 0 } }, 404],
  ['an unknown correction', () => `${correct()}/nope`, { method: 'DELETE' }, 404],
  ['an unknown rebuild', '/v1/rebuilds/nope', {}, 404],
  ['an unknown address', '/v1/nope', {}, 404],
  ['a body that is not JSON', predict, { text: '{"input":' }, 400],
  ['no body', predict, { method: 'POST', headers: { 'content-type': 'application/json' } }, 400, ''],
  ['a body of another kind', predict, { text: '[1]' }, 400, ''],
  ['a missing input', predict, { json: {} }, 400, '/input'],
  ['an input of null', predict, { json: { input: null } }, 400, '/input'],
  ['an unknown field', predict, { json: { input: 1, inptu: 2 } }, 400, '/inptu'],
  ['a limit of the wrong type', predict, { json: { input: 1, limit: '5' } }, 400, '/limit'],
  ['a limit out of range', predict, { json: { input: 1, limit: 101 } }, 400, '/limit'],
  ['a threshold out of range', predict, { json: { input: 1, threshold: 1.1 } }, 400, '/threshold'],
  ['an empty subject', predict, { json: { input: 1, subject: '' } }, 400, '/subject'],
  ['a long subject', predict, { json: { input: 1, subject: 's'.repeat(257) } }, 400, '/subject'],
  ['a number beyond a double', predict, { text: '{"input":{"a":[1e999]}}' }, 400, '/input/a/0'],
  ['nesting beyond 100', predict, { text: `{"input":${deep(101)}}` }, 400],
  ['a body over 1 MiB', predict, { json: { input: 'x'.repeat(1024 * 1024) } }, 413],
  ['another media type', predict, { text: '<a/>', headers: { 'content-type': 'text/xml' } }, 415],
  ['a version that is only recorded', predict, { json: { input: 1, version: 'v2' } }, 409],
  ['two answers at once', correct, { json: { rank: 0, label: 'a' } }, 400, ''],
  ['three answers at once', correct, { json: { rank: 0, label: 'a', none: true } }, 400, ''],
  ['no answer', correct, { json: { actor: 'kim' } }, 400, ''],
  ['none that is false', correct, { json: { none: false } }, 400, '/none'],
  ['a rank outside the candidates', correct, { json: { rank: 2 } }, 400, '/rank'],
  ['a negative rank', correct, { json: { rank: -1 } }, 400, '/rank'],
  ['a rank that is no integer', correct, { json: { rank: 0.5 } }, 400, '/rank'],
  ['a long label', correct, { json: { label: 'l'.repeat(257) } }, 400, '/label'],
  ['an empty label', correct, { json: { label: '' } }, 400, '/label'],
  ['a time that is none', correct, { json: { rank: 0, occurredAt: 'yesterday' } }, 400, '/occurredAt'],
  [
    'a time before the prediction',
    correct,
    { json: { rank: 0, occurredAt: '2001-01-01T00:00:00Z' } },
    400,
    '/occurredAt',
  ],
  [
    'a time in the future',
    correct,
    { json: { rank: 0, occurredAt: '2199-01-01T00:00:00Z' } },
    400,
    '/occurredAt',
  ],
  ['a split that does not sum to 1', traffic, { json: { split: { v1: 0.5, v2: 0.4 } } }, 400, '/split'],
  ['a split with an unknown version', traffic, { json: { split: { v1: 0.5, v9: 0.5 } } }, 400, '/split/v9'],
  ['a split with a share beyond 1', traffic, { json: { split: { v1: 2, v2: -1 } } }, 400, '/split/v1'],
  ['an empty split', traffic, { json: { split: {} } }, 400, '/split'],
  ['promote without a canary', '/v1/predictors/p/promote', { json: { version: 'v1' } }, 409],
  ['rollback without a canary', '/v1/predictors/p/rollback', { json: { version: 'v1' } }, 409],
  [
    'a predictor with a bad name',
    '/v1/predictors/a%20b/deployments',
    { json: { version: 'v1', backend: http } },
    400,
  ],
  ['a version with a bad name', deploy, { json: { version: 'v 3', backend: http } }, 400, '/version'],
  ['no backend', deploy, { json: { version: 'v3' } }, 400, '/backend'],
  [
    'an unknown kind of backend',
    deploy,
    { json: { version: 'v3', backend: { kind: 'magic' } } },
    400,
    '/backend/kind',
  ],
  [
    'a backend without its address',
    deploy,
    { json: { version: 'v3', backend: { kind: 'http' } } },
    400,
    '/backend/url',
  ],
  [
    'a backend of another scheme',
    deploy,
    { json: { version: 'v3', backend: { kind: 'http', url: 'ftp://x' } } },
    400,
    '/backend/url',
  ],
  [
    'more than 100 candidates',
    deploy,
    { json: { version: 'v3', backend: { kind: 'constant', candidates: many(101) } } },
    400,
    '/backend/candidates',
  ],
  ['a canary of itself', deploy, { json: { version: 'v1', backend: http, canary: {} } }, 409],
  [
    'a canary of a predictor that serves nothing',
    '/v1/predictors/new/deployments',
    { json: { version: 'v1', backend: http, canary: {} } },
    409,
  ],
  ['events that are no array', '/v1/events', { json: { id: 1 } }, 400, ''],
  ['more than 1,000 events', '/v1/events', { json: Array.from({ length: 1001 }, () => ({})) }, 413],
  ['a cursor of another service', '/v1/events?after=here', {}, 400, '?after'],
  ['a limit that is no number', '/v1/events?limit=lots', {}, 400, '?limit'],
  ['an unknown query parameter', '/v1/events?afther=1', {}, 400, '?afther'],
  ['an empty idempotency key', predict, { json: { input: 1 }, headers: { 'idempotency-key': '' } }, 400],
  [
    'a range the wrong way round',
    '/v1/predictors/p/quality?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z',
    {},
    400,
    '?from',
  ],
  ['an interval that does not exist', '/v1/predictors/p/quality?interval=fortnight', {}, 400, '?interval'],
];

async function events(): Promise<number> {
  return (await call(service.url, '/v1/status')).body.events;
}

describe('a request that does not fit', () => {
  // Every row in full: a missing argument would be taken for jest's callback.
  const rows = CASES.map(
    ([name, path, options, status, pointer = null]) => [name, path, options, status, pointer] as const,
  );

  it.each(rows)('ensures that %s is refused with a reason', async (_, path, options, status, pointer) => {
    const before = await events();
    const answer = await call(service.url, typeof path === 'string' ? path : path(), options);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.body).toMatchObject({ type: expect.stringMatching(/^urn:assay:problem:/), status });
    expect(answer.body.title).toEqual(expect.any(String));
    expect(answer.body.detail.length).toBeGreaterThan(10);
    if (pointer !== null) {
      expect(answer.body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer);
    }
    expect(await events()).toBe(before);
  });
});

const EVENT_CASES: Array<[name: string, event: object, detail: RegExp]> = [
  ['an unknown type', cloudEvent('prediction.guessed', 'x', '2026-01-01T00:00:00Z', {}), /not a known type/],
  [
    'a type of the service',
    cloudEvent('predictor.canary_judged', 'x', '2026-01-01T00:00:00Z', {}),
    /service only/,
  ],
  [
    'another specversion',
    { ...cloudEvent('prediction.recorded', 'x', 0, {}), specversion: '0.3' },
    /specversion/,
  ],
  ['no data', { ...cloudEvent('prediction.recorded', 'x', 0, {}), data: undefined }, /\/data is missing/],
  [
    'no candidates',
    cloudEvent('prediction.recorded', 'x', 0, { predictor: 'p', version: 'v1', input: 1 }),
    /\/data\/candidates is missing/,
  ],
  [
    'an unknown field',
    cloudEvent('prediction.corrected', 'x', 0, { predictionId: 'a', rank: 0, weight: 3 }),
    /\/data\/weight is not a known field/,
  ],
  [
    'two answers at once',
    cloudEvent('prediction.corrected', 'x', 0, { predictionId: 'a', rank: 0, label: 'b' }),
    /exactly one of/,
  ],
  [
    'a time in the future',
    cloudEvent('prediction.corrected', 'x', '2199-01-01T00:00:00Z', { predictionId: 'a', rank: 0 }),
    /future/,
  ],
  [
    'a time that does not exist',
    cloudEvent('prediction.corrected', 'x', '2026-13-01T00:00:00Z', { predictionId: 'a', rank: 0 }),
    /\/time/,
  ],
  [
    'a split beyond 1',
    cloudEvent('predictor.traffic_split', 'x', 0, { predictor: 'p', split: { v1: 0.5, v2: 0.6 } }),
    /sum to 1/,
  ],
  [
    'a canary of itself',
    cloudEvent('predictor.canary_started', 'x', 0, { predictor: 'p', baseline: 'v1', canary: 'v1' }),
    /baseline itself/,
  ],
  ['a rank outside the candidates of a known prediction', {}, /points at no candidate/],
  ['a correction from before its prediction', {}, /before the prediction/],
];

describe('an event that does not fit', () => {
  it.each(EVENT_CASES)('ensures that %s is rejected by itself', async (name, given, detail) => {
    const before = await events();
    const about = { predictionId, rank: name.startsWith('a rank') ? 7 : 0 };
    const event =
      Object.keys(given).length > 0
        ? given
        : cloudEvent('prediction.corrected', 'x', name.startsWith('a rank') ? Date.now() : 0, about);
    const { status, body } = await sendEvents(service.url, [event]);
    expect(status).toBe(200);
    expect(body).toMatchObject({ accepted: 0, duplicates: 0 });
    expect(body.rejected).toHaveLength(1);
    expect(body.rejected[0].detail).toMatch(detail);
    expect(await events()).toBe(before);
  });

  it('ensures that an id under which something else was recorded is not taken for a repeat', async () => {
    const event = (label: string) =>
      cloudEvent('prediction.corrected', 'same', 1000, { predictionId: 'later', label });
    expect((await sendEvents(service.url, [event('a')])).body.accepted).toBe(1);
    const { body } = await sendEvents(service.url, [event('b')]);
    expect(body.rejected[0].detail).toMatch(/taken by an event with other content/);
  });
});

describe('text that no database can hold', () => {
  it('ensures that lone surrogates and U+0000 are made well-formed, and the projection goes on', async () => {
    const { body } = await call(service.url, predict, {
      text: '{"input":{"a\\ud800":"x\\udfffy\\u0000z"},"metadata":{"k":"\\ud83d"}}',
    });
    const read = await call(service.url, `/v1/predictions/${body.id}`);
    expect(read.body.input).toEqual({ 'a\ufffd': 'x\ufffdy\ufffdz' });
    expect(read.body.metadata).toEqual({ k: '\ufffd' });
  });

  it('ensures that a hundred levels, large numbers and any script pass unchanged', async () => {
    const inputs = [JSON.parse(deep(99)), 1.7976931348623157e308, '𠜎 עברית 😀 \u2028', { __proto_: 1 }];
    for (const input of inputs) {
      const { status, body } = await call(service.url, predict, { json: { input } });
      expect(status).toBe(201);
      expect((await call(service.url, `/v1/predictions/${body.id}`)).body.input).toEqual(input);
    }
  });
});
