/**
 * The request classes are read twice, as decorators and as JSON schemas derived from them: both must take and
 * refuse the same bodies. And what a request brings in must come out as text that every database can hold.
 */
import { describe, expect, test } from '@jest/globals';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import fc from 'fast-check';
import { CreateKeyRequest } from '#assay/access/keys.dto.js';
import { SCOPES } from '#assay/event/access.js';
import { ID_PATTERN } from '#assay/http/fields.js';
import { validatorOf } from '#assay/http/validation.js';
import * as events from '#assay/intake/events.dto.js';
import * as canaries from '#assay/intake/canaries.dto.js';
import * as requests from '#assay/intake/requests.dto.js';
import { storableError, wellFormed } from '#assay/intake/storable.js';

type RequestClass = new () => object;
type Body = Record<string, unknown>;

const RUNS = 300;
const RUNS_UNCHANGED = 100;

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const id = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => ID_PATTERN.test(text));
const text = (maxLength: number) => fc.string({ minLength: 1, maxLength: Math.min(maxLength, 300) });
const time = fc
  .date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString());
const share = fc.double({ min: 0, max: 1, noNaN: true });
const json = fc.jsonValue({ maxDepth: 3 }).filter((value) => value !== null);
const bag = fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }), {
  maxKeys: 3,
  noNullPrototype: true,
});

function body(required: Record<string, fc.Arbitrary<unknown>>, optional = {}): fc.Arbitrary<Body> {
  const options = { requiredKeys: Object.keys(required), noNullPrototype: true };
  return fc.record({ ...required, ...optional }, options);
}

const candidate = body(
  { label: text(256) },
  { confidence: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })) },
);
const candidates = fc.array(candidate, { maxLength: 4 });
const pointer = fc.constantFrom('', '/a', '/a/0');
const mapping = body({}, { path: pointer, label: pointer, confidence: pointer });
const appEngineName = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/);
const appEngine = body({ service: appEngineName }, { version: appEngineName, project: appEngineName });
const backend = fc.oneof(
  body(
    { kind: fc.constant('http'), url: fc.webUrl() },
    {
      headers: fc.dictionary(name, fc.string({ maxLength: 20 }), { maxKeys: 3, noNullPrototype: true }),
      timeoutMs: fc.integer({ min: 1, max: 60_000 }),
      request: bag,
      candidates: mapping,
      appEngine,
    },
  ),
  body({ kind: fc.constant('constant'), candidates }),
  body({ kind: fc.constant('recorded') }, { appEngine }),
);
const alpha = body({}, { 'wrong-up': fc.double({ min: 1e-6, max: 0.5, noNaN: true }) });
const policy = body(
  {},
  {
    tolerance: fc.double({ min: 0.01, max: 1, noNaN: true }),
    rightWithin: fc.integer({ min: 1, max: 100 }),
    confirmations: fc.constantFrom('auto', 'required', 'none'),
    latencyLimitMs: fc.integer({ min: 1, max: 60_000 }),
    maxLagSeconds: fc.integer({ min: 1, max: 86_400 }),
    bucketSeconds: fc.integer({ min: 1, max: 86_400 }),
    ageEdgesSeconds: fc.array(fc.integer({ min: 0, max: 31_536_000 }), { minLength: 2, maxLength: 16 }),
    alpha,
  },
);
const ramp = fc.array(fc.double({ min: 0.0001, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 });
const split = fc.dictionary(name, share, { minKeys: 1, maxKeys: 4, noNullPrototype: true });
const judgement = { rank: fc.integer({ min: 0, max: 99 }), label: text(256), none: fc.constant(true) };
const comments = { actor: text(256), comment: fc.string({ maxLength: 40 }) };
const oneJudgement = (more: Record<string, fc.Arbitrary<unknown>>, optional: object) =>
  fc.oneof(
    ...(['rank', 'label', 'none'] as const).map((key) => body({ ...more, [key]: judgement[key] }, optional)),
  );
const about = { predictor: name, version: name, input: json };
const aboutMore = {
  predictionId: id,
  subject: text(256),
  latencyMs: fc.double({ min: 0, max: 86_400_000, noNaN: true }),
  metadata: bag,
  pinned: fc.boolean(),
};
const ended = { reason: fc.string({ maxLength: 40 }) };

const VALID: Array<[RequestClass, fc.Arbitrary<Body>]> = [
  [
    requests.PredictRequest,
    body(
      { input: json },
      {
        subject: text(256),
        limit: fc.integer({ min: 1, max: 100 }),
        threshold: share,
        version: name,
        metadata: bag,
      },
    ),
  ],
  [requests.CorrectRequest, oneJudgement({}, { ...comments, occurredAt: time })],
  [
    requests.DeployRequest,
    body({ version: name, backend }, { trafficShare: share, canary: body({}, { policy, ramp }) }),
  ],
  [requests.TrafficRequest, body({ split })],
  [requests.EndCanaryRequest, body({ version: name }, ended)],
  [canaries.PolicyRequest, policy],
  [
    CreateKeyRequest,
    body(
      { name: id, scopes: fc.uniqueArray(fc.constantFrom(...SCOPES), { minLength: 1 }) },
      { predictors: fc.array(name, { minLength: 1, maxLength: 3 }), expiresAt: time },
    ),
  ],
  [
    events.CloudEventRequest,
    body({
      specversion: fc.constant('1.0'),
      id,
      source: text(256),
      type: fc.string({ maxLength: 40 }),
      time,
      data: bag,
    }),
  ],
  [events.PredictionRecordedData, body({ ...about, candidates }, aboutMore)],
  [
    events.PredictionFailedData,
    body(
      {
        ...about,
        error: body({
          kind: fc.constantFrom('timeout', 'unreachable', 'rejected', 'invalid'),
          message: fc.string({ maxLength: 40 }),
        }),
      },
      aboutMore,
    ),
  ],
  [events.PredictionCorrectedData, oneJudgement({ predictionId: id }, { ...comments, correctionId: id })],
  [events.CorrectionRetractedData, body({ predictionId: id, correctionId: id }, { actor: text(256) })],
  [events.PredictorDeployedData, body({ predictor: name, version: name, backend })],
  [events.TrafficSplitData, body({ predictor: name, split })],
  [events.CanaryStartedData, body({ predictor: name, baseline: name, canary: name }, { policy, ramp })],
  [events.CanaryEndedData, body({ predictor: name, version: name }, ended)],
];

/** A change to a body: at the place `where` picks, a field goes, comes, or gets another value. */
interface Change {
  where: number;
  kind: 'drop' | 'replace' | 'add';
  value: unknown;
}

const changes: fc.Arbitrary<Change[]> = fc.array(
  fc.record({
    where: fc.nat(),
    kind: fc.constantFrom('drop', 'replace', 'replace', 'add'),
    value: fc.oneof(
      fc.constantFrom<unknown>(null, '', 0, -1, 0.5, 101, 1e9, true, false, [], {}, [null], [1], 'x', 'y z'),
      fc.constantFrom('a'.repeat(257), 'a'.repeat(65), 'a'.repeat(5000), '2026-02-30T25:00:00Z', 'a\tb'),
      fc.jsonValue({ maxDepth: 2 }),
    ),
  }),
  { minLength: 1, maxLength: 2 },
);

/** Objects and arrays within a value, itself included. */
function containers(value: unknown): object[] {
  if (typeof value !== 'object' || value === null) return [];
  return [value, ...Object.values(value).flatMap(containers)];
}

/** As it comes out of a body. */
const copyOf = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

function changed(given: Body, list: readonly Change[]): Body {
  const copy = copyOf(given);
  for (const { where, kind, value } of list) {
    const places = containers(copy).flatMap((container) => [
      ...Object.keys(container).map((key) => [container, key] as const),
      ...(Array.isArray(container) ? [] : [[container, 'unknown'] as const]),
    ]);
    const [container, key] = places[where % places.length] as readonly [Record<string, unknown>, string];
    if (kind === 'drop' && !Array.isArray(container)) delete container[key];
    else if (kind === 'replace' || key === 'unknown') container[key] = copyOf(value);
  }
  return copy;
}

/** Rules on the whole, and on values under free keys, are said in the schemas alone. */
const SCHEMA_ONLY = /^(\/backend)?\/(headers|split)(\/|$)/;

function takenBySchema(request: RequestClass, value: Body): boolean {
  return validatorOf(request)
    .errorsOf(value)
    .every(({ pointer: at, detail }) => {
      if (at === '' && detail.startsWith('must have exactly one of')) return true;
      return SCHEMA_ONLY.test(at) && isObject(partAt(value, at));
    });
}

/** class-validator lets an array stand for a nested object; the schemas, which the service goes by, do not. */
function hasArrayForObject(request: RequestClass, value: Body): boolean {
  return validatorOf(request)
    .errorsOf(value)
    .some(({ pointer: at, detail }) => detail === 'must be object' && Array.isArray(valueAt(value, at)));
}

function valueAt(value: unknown, at: string): unknown {
  const keys = at.split('/').slice(1);
  return keys.reduce((part, key) => (part as Body)[key.replaceAll('~1', '/').replaceAll('~0', '~')], value);
}

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The object that holds free keys above, or at, a pointer. */
function partAt(value: Body, at: string): unknown {
  const container = at.startsWith('/backend') ? (value.backend as Body) : value;
  return container[at.includes('/headers') ? 'headers' : 'split'];
}

function takenByClass(request: RequestClass, value: Body): boolean {
  const instance = plainToInstance(request, value);
  // Extension attributes of CloudEvents are free.
  const isOpen = request === events.CloudEventRequest;
  return validateSync(instance, { whitelist: !isOpen, forbidNonWhitelisted: !isOpen }).length === 0;
}

describe('a request class', () => {
  test.each(VALID.map(([request, valid]) => [request.name, request, valid] as const))(
    'takes and refuses the same bodies as its schema: %s',
    (_, request, valid) => {
      fc.assert(
        fc.property(valid, (value) => {
          expect(validatorOf(request).errorsOf(value)).toEqual([]);
          expect(takenByClass(request, value)).toBe(true);
        }),
        { numRuns: RUNS_UNCHANGED },
      );
      let refused = 0;
      fc.assert(
        fc.property(valid, changes, (value, list) => {
          const given = changed(value, list);
          fc.pre(!hasArrayForObject(request, given));
          const taken = takenBySchema(request, given);
          if (!taken) refused++;
          expect([given, takenByClass(request, copyOf(given))]).toEqual([given, taken]);
        }),
        { numRuns: RUNS },
      );
      // The changes are such that both answers come up.
      expect(refused).toBeGreaterThan(RUNS / 20);
    },
  );

  test('has a rule on the whole in its schema: exactly one of rank, label and none', () => {
    const validator = validatorOf(requests.CorrectRequest);
    fc.assert(
      fc.property(body({}, judgement), (value) => {
        const said = Object.keys(value).length;
        expect(validator.errorsOf(value).length === 0).toBe(said === 1);
      }),
    );
  });
});

describe('what may enter the log', () => {
  const anyText = fc.string({ unit: fc.nat({ max: 0xffff }).map((code) => String.fromCharCode(code)) });
  const anyJson = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      anyText,
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
      fc.constantFrom(null, true, false, '\ud800', '\u0000', 'a\udfff\ud800b', '😀'),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.oneof(anyText, fc.constant('__proto__')), tie('value'), { maxKeys: 4 }),
    ),
  })).value;

  test('has no lone surrogate and no U+0000, and is the same after JSON', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        const clean = wellFormed(value);
        const written = JSON.stringify(clean);
        expect(JSON.parse(written)).toEqual(clean);
        for (const found of textsOf(clean)) {
          expect(found.isWellFormed()).toBe(true);
          expect(found).not.toContain('\0');
        }
        expect(wellFormed(clean)).toEqual(clean);
        if (textsOf(value).every((found) => found.isWellFormed() && !found.includes('\0')))
          expect(clean).toEqual(value);
        expect(storableError(clean, '')).toBeNull();
      }),
      { numRuns: 2000 },
    );
  });

  test('holds no number beyond a double and nothing deeper than a hundred levels', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 140 }), fc.boolean(), (depth, infinite) => {
        let value: unknown = infinite ? Infinity : 1;
        for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { key: value };
        expect(storableError(value, '/input') === null).toBe(!infinite && depth <= 100);
      }),
    );
  });
});

/** All texts in a value, keys included. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => [key, ...textsOf(item)]);
}
