/** Splits that App Engine carries out: what is asked of it, over its Admin API, and what is said when it refuses. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { emptyPredictor, type PredictorState, type Split } from '#assay/event/predictor.js';
import { GoogleApi } from '#assay/google-api.js';
import { AppEngineTraffic } from '#assay/serving/traffic.appengine.js';
import { roundedShares, wantedTraffic } from '#assay/serving/traffic.js';
import { TrafficKeeper } from '#assay/serving/traffic-keeper.js';
import { call, eventually, type Folder, startService, temporaryFolder } from '../given.js';
import { GoogleApis } from '../google-apis.js';

const SERVICE = 'apps/p/services/industry';

/** A predictor whose versions run in the service `industry`, unless their backend is given. */
function predictor(split: Split, backends: Record<string, object> = {}): PredictorState {
  const state = emptyPredictor();
  state.split = split;
  for (const version of Object.keys(split)) {
    const appEngine = { service: 'industry' };
    const backend = { kind: 'recorded', appEngine, ...backends[version] };
    state.versions.set(version, { version, backend, deployedAt: 0 });
  }
  return state;
}

describe('the shares asked of App Engine', () => {
  it.each([2, 3])(
    'ensures that with %i decimals they sum to 1, stay close, and leave nobody out',
    (places) => {
      const weights = fc.array(fc.double({ min: 1e-9, max: 1, noNaN: true }), {
        minLength: 1,
        maxLength: 20,
      });
      fc.assert(
        fc.property(weights, (drawn) => {
          const sum = drawn.reduce((total, weight) => total + weight, 0);
          const split = Object.fromEntries(drawn.map((weight, index) => [`v${index}`, weight / sum]));
          const shares = roundedShares(split, places);
          const units = Object.values(shares).map((share) => share * 10 ** places);
          expect(Object.keys(shares).sort()).toEqual(Object.keys(split).sort());
          for (const unit of units) expect(Math.abs(unit - Math.round(unit))).toBeLessThan(1e-6);
          expect(Math.min(...units)).toBeGreaterThan(0.99);
          expect(units.reduce((total, unit) => total + Math.round(unit), 0)).toBe(10 ** places);
          // Nobody is further off than what the smallest ones were lifted by, and one unit.
          for (const [version, share] of Object.entries(shares)) {
            expect(Math.abs(share - (split[version] ?? 0))).toBeLessThan(21 / 10 ** places);
          }
        }),
      );
    },
  );

  it.each([
    [{ a: 1 }, { a: 1 }],
    [
      { a: 1 / 3, b: 1 / 3, c: 1 / 3 },
      { a: 0.334, b: 0.333, c: 0.333 },
    ],
    [
      { a: 0.9999, b: 0.0001 },
      { a: 0.999, b: 0.001 },
    ],
    [
      { a: 0.7, b: 0.3 },
      { a: 0.7, b: 0.3 },
    ],
  ])('ensures that %j becomes %j', (split, shares) => {
    expect(roundedShares(split as unknown as Split, 3)).toEqual(shares);
  });

  it('ensures that a version goes by its name on App Engine, and one without traffic is left out', () => {
    const state = predictor(
      { 'v1.0': 0.9, v2: 0.1, old: 0 },
      { 'v1.0': { appEngine: { service: 'industry', version: 'v1-0' } }, old: { appEngine: undefined } },
    );
    expect(wantedTraffic(state, 3, 'p')).toEqual({
      target: { project: 'p', service: 'industry' },
      shares: { 'v1-0': 0.9, v2: 0.1 },
    });
  });

  it('ensures that a predictor that runs elsewhere is none of its business', () => {
    const elsewhere = { v1: { appEngine: undefined } };
    expect(wantedTraffic(predictor({ v1: 1 }, elsewhere), 3, 'p')).toBeNull();
  });

  it.each([
    [
      'versions of two services',
      predictor({ v1: 0.5, v2: 0.5 }, { v2: { appEngine: { service: 'other' } } }),
      '"v2" does not run in the App Engine service industry',
    ],
    [
      'a version that runs elsewhere',
      predictor({ v1: 0.5, v2: 0.5 }, { v2: { appEngine: undefined } }),
      '"v2" does not run in the App Engine service industry',
    ],
    ['a name that App Engine does not know', predictor({ 'v1.0': 1 }), '"v1.0" cannot be the name'],
    [
      'two versions of one name',
      predictor({ v1: 0.5, v2: 0.5 }, { v2: { appEngine: { service: 'industry', version: 'v1' } } }),
      'two versions say that they are "v1"',
    ],
  ])('ensures that %s is refused with what to do', (_, state, told) => {
    expect(() => wantedTraffic(state, 3, 'p')).toThrow(told);
  });

  it('ensures that a project must be known', () => {
    expect(() => wantedTraffic(predictor({ v1: 1 }), 3, null)).toThrow('set GOOGLE_CLOUD_PROJECT');
  });
});

describe('traffic split by App Engine', () => {
  let google: GoogleApis;
  let errors: string[];
  const before = { ...process.env };

  beforeEach(async () => {
    google = await new GoogleApis().start();
    Object.assign(process.env, google.environment);
    google.services.set(SERVICE, {
      versions: ['v1', 'v2', 'v3'],
      split: { shardBy: 'IP', allocations: { v1: 1 } },
    });
    errors = [];
  });

  afterEach(async () => {
    process.env = { ...before };
    await google.stop();
  });

  function keeperOf(
    states: Map<string, PredictorState>,
    shardBy: 'COOKIE' | 'IP' | 'RANDOM' = 'COOKIE',
  ): TrafficKeeper {
    const control = new AppEngineTraffic(new GoogleApi(google.url, 1), shardBy, 5);
    return new TrafficKeeper(
      control,
      async () => states,
      'p',
      (_, message) => errors.push(message),
    );
  }

  const keeper = (split: Split): TrafficKeeper => keeperOf(new Map([['industry', predictor(split)]]));

  it('ensures that a split is put in force, and the operation waited for', async () => {
    const traffic = keeper({ v1: 0.9, v2: 0.1 });
    await traffic.look();
    expect(google.services.get(SERVICE)?.split).toEqual({
      shardBy: 'COOKIE',
      allocations: { v1: 0.9, v2: 0.1 },
    });
    expect(google.asked).toEqual([
      `GET /v1/${SERVICE}`,
      `PATCH /v1/${SERVICE}?updateMask=split`,
      'GET /v1/apps/p/operations/1',
      'GET /v1/apps/p/operations/1',
    ]);
    expect(traffic.stateOf('industry')).toMatchObject({
      service: 'projects/p/services/industry',
      wanted: { v1: 0.9, v2: 0.1 },
      inForce: { v1: 0.9, v2: 0.1 },
      error: null,
    });
  });

  it('ensures that what is right already is not touched, and not asked for at every look', async () => {
    const traffic = keeper({ v1: 1 });
    await traffic.look();
    await traffic.look();
    expect(google.asked).toEqual([`GET /v1/${SERVICE}`]);
  });

  it('ensures that the next split follows, and one by another way of choosing is made anew', async () => {
    const states = new Map([['industry', predictor({ v1: 0.5, v2: 0.5 })]]);
    google.services.set(SERVICE, {
      versions: ['v1', 'v2'],
      split: { shardBy: 'RANDOM', allocations: { v1: 0.5, v2: 0.5 } },
    });
    const traffic = keeperOf(states, 'IP');
    await traffic.look();
    states.set('industry', predictor({ v1: 1 / 3, v2: 2 / 3 }));
    await traffic.look();
    expect(google.patches).toEqual([
      { split: { shardBy: 'IP', allocations: { v1: 0.5, v2: 0.5 } } },
      { split: { shardBy: 'IP', allocations: { v1: 0.33, v2: 0.67 } } },
    ]);
  });

  it.each([429, 500, 503])('ensures that a few answers with %i do not stop it', async (status) => {
    google.failures.set('GET /v1/apps', { status, times: 1 });
    google.failures.set('PATCH', { status, times: 2 });
    await keeper({ v2: 1 }).look();
    expect(google.services.get(SERVICE)?.split.allocations).toEqual({ v2: 1 });
    expect(google.patches).toHaveLength(1);
    expect(errors).toEqual([]);
  });

  it.each([
    ['a missing role', { status: 403, code: 'PERMISSION_DENIED' }, 'roles/appengine.serviceAdmin'],
    [
      'an API that is off',
      { status: 403, code: 'PERMISSION_DENIED', reason: 'SERVICE_DISABLED' },
      'gcloud services enable appengine.googleapis.com --project=p',
    ],
    ['another change under way', { status: 409, code: 'ABORTED' }, 'another change of industry is under way'],
    ['a service that does not come back', { status: 503 }, 'App Engine cannot be asked about industry'],
  ])('ensures that %s is told, once, and forgotten when it is over', async (_, failure, told) => {
    google.failures.set('PATCH', failure);
    const states = new Map([['industry', predictor({ v2: 1 })]]);
    const traffic = keeperOf(states);
    await traffic.look();
    expect(traffic.stateOf('industry')).toMatchObject({
      error: expect.stringContaining(told),
      inForce: null,
    });
    const askedOnce = google.asked.length;
    // It backs off, and says the same thing once.
    await traffic.look();
    expect(google.asked).toHaveLength(askedOnce);
    expect(errors).toHaveLength(1);
    // What is wanted has changed: that is worth a try at once.
    google.failures.clear();
    states.set('industry', predictor({ v3: 1 }));
    await traffic.look();
    expect(traffic.stateOf('industry')).toMatchObject({ error: null, inForce: { v3: 1 } });
  });

  it('ensures that a version that is not deployed there is told', async () => {
    const traffic = keeper({ v1: 0.5, v9: 0.5 });
    await traffic.look();
    expect(traffic.stateOf('industry')?.error).toContain('Version v9 does not exist');
    expect(traffic.stateOf('industry')?.error).toContain('gcloud app versions list --project=p');
  });

  it('ensures that a service that is not there is told', async () => {
    google.services.clear();
    const traffic = keeper({ v1: 1 });
    await traffic.look();
    expect(traffic.stateOf('industry')?.error).toContain('gcloud app deploy --project=p');
  });

  it('ensures that an operation that fails counts as not done', async () => {
    google.operationError = { code: 13, message: 'An internal error occurred' };
    const traffic = keeper({ v2: 1 });
    await traffic.look();
    expect(traffic.stateOf('industry')?.error).toContain('An internal error occurred');
    expect(google.services.get(SERVICE)?.split.allocations).toEqual({ v1: 1 });
  });

  it('ensures that two predictors do not take a service from each other', async () => {
    const states = new Map([
      ['industry', predictor({ v1: 1 })],
      ['another', predictor({ v2: 1 })],
    ]);
    const traffic = keeperOf(states);
    await traffic.look();
    await traffic.look();
    expect(google.patches).toEqual([]);
    expect(traffic.stateOf('another')?.error).toContain('from predictor "industry" already');
  });

  it('ensures that it stops while an operation is under way', async () => {
    google.pollsUntilDone = 1e9;
    const traffic = keeper({ v2: 1 });
    traffic.start();
    await eventually(
      async () => google.patches.length,
      (patches) => patches === 1,
    );
    await traffic.stop();
    expect(errors).toEqual([]);
  });
});

describe('a service with ASSAY_TRAFFIC=appengine', () => {
  let google: GoogleApis;
  let folder: Folder;

  beforeEach(async () => {
    google = await new GoogleApis().start();
    google.services.set(SERVICE, {
      versions: ['v1', 'v2'],
      split: { shardBy: 'COOKIE', allocations: { v1: 1 } },
    });
    google.pollsUntilDone = 0;
    folder = temporaryFolder();
  });

  afterEach(async () => {
    await google.stop();
    folder.remove();
  });

  it('ensures that a canary starts, ends, and is made good after the service was away', async () => {
    const environment = { ...google.environment, ASSAY_TRAFFIC: 'appengine', GOOGLE_CLOUD_PROJECT: 'p' };
    const backend = { kind: 'recorded', appEngine: { service: 'industry' } };
    const allocations = async (): Promise<Split | undefined> =>
      google.services.get(SERVICE)?.split.allocations;
    let service = await startService(folder.path, environment);
    const predictorUrl = '/v1/predictors/industry';
    await call(service.url, `${predictorUrl}/deployments`, { json: { version: 'v1', backend } });
    const canary = { version: 'v2', backend, trafficShare: 0.2, canary: {} };
    await call(service.url, `${predictorUrl}/deployments`, { json: canary });
    await eventually(allocations, (found) => found?.v2 === 0.2);
    const { body } = await eventually(
      () => call(service.url, predictorUrl),
      (answer) => answer.body.traffic?.inForce?.v2 === 0.2,
    );
    expect(body.traffic).toMatchObject({
      by: 'appengine',
      service: 'projects/p/services/industry',
      error: null,
    });
    await service.stop();

    google.services.set(SERVICE, { versions: ['v1', 'v2'], split: { allocations: { v2: 1 } } });
    service = await startService(folder.path, environment);
    await eventually(allocations, (found) => found?.v2 === 0.2);
    await call(service.url, `${predictorUrl}/rollback`, { json: { version: 'v2' } });
    await eventually(allocations, (found) => found?.v1 === 1);
    await service.stop();
  }, 60_000);

  it('ensures that without it nobody is asked', async () => {
    const service = await startService(folder.path, google.environment);
    const backend = { kind: 'recorded', appEngine: { service: 'industry' } };
    await call(service.url, '/v1/predictors/industry/deployments', { json: { version: 'v1', backend } });
    const { body } = await call(service.url, '/v1/predictors/industry');
    expect(body.traffic).toBeUndefined();
    await service.stop();
    expect(google.asked).toEqual([]);
  });
});
