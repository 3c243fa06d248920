/**
 * A few runs of small worlds, through the tables and the statement of the service. Every bound is so far from
 * what is expected that fewer than one seed in 10,000 breaks it; the seed is fixed all the same. The real bar is
 * held by bench/sim.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CHECK_NAMES, DEFAULT_POLICY } from '#assay/event/policy.js';
import { judgeCanary } from '#assay/verdict/verdict.js';
import { inputOf, world, type World } from '../../bench/canary-world.js';
import { NAIVE_RULES, shiftBetween } from '../../bench/naive-rules.js';
import { SCENARIOS } from '../../bench/scenarios.js';
import { SimWarehouse } from '../../bench/sim-warehouse.js';

const SEED = 1234;
/** Everybody tells soon: much evidence in few rows. */
const TOLD = { confirms: 1, corrects: 1, confirmDelay: 5, correctDelay: 5 };
const SMALL = { shares: [0.5], buckets: 60, predictionsPerBucket: 200 };

interface Count {
  promote: number;
  rollback: number;
}

let warehouse: SimWarehouse;

beforeAll(async () => {
  warehouse = await SimWarehouse.open();
});

afterAll(() => warehouse.close());

/** Verdicts of the same runs under each of the policies. */
async function verdicts(world: World, runs: number, policies = [world.policy]): Promise<Count[]> {
  const counts = policies.map(() => ({ promote: 0, rollback: 0 }));
  for (let run = 0; run < runs; run++) {
    await warehouse.live(world, SEED, 'test', run);
    const rows = await warehouse.buckets(world);
    for (const [i, policy] of policies.entries()) {
      const { verdict } = judgeCanary(inputOf({ ...world, policy }, rows, world.buckets));
      if (verdict === 'promote' || verdict === 'rollback') counts[i]![verdict]++;
    }
  }
  return counts;
}

const rateAtMost = (count: number) => expect(count).toBeLessThanOrEqual(2);

describe('the judge, over simulated canaries', () => {
  test('rarely says anything at the margin, and often if ten times the error were allowed', async () => {
    const alpha = Object.fromEntries(
      CHECK_NAMES.map((name) => [name, Math.min(0.5, 10 * DEFAULT_POLICY.alpha[name])]),
    );
    const margin = world(TOLD, { ...TOLD, accuracy: 0.78 }, SMALL);
    const [kept, lax] = await verdicts(margin, 60, [{}, { alpha }]);
    // At a rate of .05, 12 or more of 60 come about once in 30,000 seeds.
    expect(kept!.promote + kept!.rollback).toBeLessThan(12);
    expect(lax!.promote + lax!.rollback).toBeGreaterThanOrEqual(12);
  }, 120_000);

  test('rolls back what is worse', async () => {
    const [{ promote, rollback } = { promote: 9, rollback: 0 }] = await verdicts(
      world(TOLD, { ...TOLD, accuracy: 0.7 }, SMALL),
      12,
    );
    expect(rollback).toBeGreaterThanOrEqual(8);
    rateAtMost(promote);
  }, 60_000);

  test('promotes what is better', async () => {
    const [{ promote, rollback } = { promote: 0, rollback: 9 }] = await verdicts(
      world({ ...TOLD, accuracy: 0.6 }, { ...TOLD, accuracy: 0.75 }, SMALL),
      12,
    );
    expect(promote).toBeGreaterThanOrEqual(8);
    rateAtMost(rollback);
  }, 60_000);

  test('says nothing of equal answers to users who confirm less', async () => {
    const [{ promote, rollback } = { promote: 9, rollback: 9 }] = await verdicts(
      world(TOLD, { ...TOLD, confirms: 0.6 }, SMALL),
      12,
    );
    rateAtMost(promote);
    rateAtMost(rollback);
  }, 60_000);
});

describe('the simulation', () => {
  test('gives the rows that events would have given', async () => {
    const odd = { slips: 0.3, retracts: true, clockSpread: 2, errors: 0.1, slow: 0.1, late: 0.2, lateBy: 3 };
    const everything = world(
      odd,
      { ...odd, retracts: false },
      {
        ...SMALL,
        buckets: 5,
        predictionsPerUser: 3,
        correlation: 0.3,
        pinned: 0.1,
        pinnedAccuracy: 0.3,
        policy: { latencyLimitMs: 500 },
      },
    );
    expect(await warehouse.differencesThroughEvents(everything, SEED, 'everything', 0)).toEqual([]);
  }, 60_000);

  test('asks with what was known by then, and gets the verdict of asking once where nothing is late', async () => {
    const better = world({ ...TOLD, accuracy: 0.6 }, { ...TOLD, accuracy: 0.8 }, SMALL);
    const once = await warehouse.judge(better, SEED, 'asked', 0);
    const often = await warehouse.judge({ ...better, askedEvery: 10 }, SEED, 'asked', 0);
    expect(once.verdict).toBe('promote');
    expect([often.verdict, often.decidedAt]).toEqual([once.verdict, once.decidedAt]);
  }, 60_000);

  test('gives the same verdict whether it asks early or looks back from the end', async () => {
    const worse = world(TOLD, { ...TOLD, accuracy: 0.6 }, { ...SMALL, predictionsPerBucket: 100 });
    let askedEarly = false;
    for (let run = 0; run < 14; run++) {
      const judgement = await warehouse.judge(worse, SEED, 'early', run);
      const [{ before } = { before: 0 }] = await warehouse.query<{ before: number }>(
        () => 'SELECT COUNT(*) AS before FROM predictions',
      );
      await warehouse.live(worse, SEED, 'early', run);
      const whole = judgeCanary(inputOf(worse, await warehouse.buckets(worse), worse.buckets));
      expect([judgement.verdict, judgement.decidedAt]).toEqual([whole.verdict, whole.decidedAt]);
      // It asks early once it has seen in ten runs when verdicts come; the rest is not lived through then.
      askedEarly ||= before < worse.buckets * worse.predictionsPerBucket(0);
    }
    expect(askedEarly).toBe(true);
  }, 60_000);

  test('draws labels at the rates and delays of the world', async () => {
    await warehouse.live(world({}, {}, { ...SMALL, predictionsPerBucket: 500 }), SEED, 'rates', 0);
    const [seen] = await warehouse.query<Record<string, number>>(
      () => `SELECT COUNT(*) AS n, AVG(CAST(version = 'v2' AS DOUBLE)) AS canary,
        AVG(CAST(outcome IS NOT DISTINCT FROM 'right' AS DOUBLE)) AS confirmed,
        AVG(CAST(outcome IS NOT DISTINCT FROM 'missed' AS DOUBLE)) AS corrected,
        CAST(AVG(epoch_ms(labelled_at) - epoch_ms(predicted_at)) FILTER (WHERE outcome = 'right') AS DOUBLE) AS delay
      FROM prediction_outcomes`,
    );
    expect(seen!.n).toBe(30_000);
    // Within 4.5 standard errors.
    expect(Math.abs(seen!.canary! - 0.5)).toBeLessThan(4.5 * Math.sqrt(0.25 / 30_000));
    expect(Math.abs(seen!.confirmed! - 0.24)).toBeLessThan(4.5 * Math.sqrt((0.24 * 0.76) / 30_000));
    expect(Math.abs(seen!.corrected! - 0.12)).toBeLessThan(4.5 * Math.sqrt((0.12 * 0.88) / 30_000));
    const delay = 20 * 300_000;
    expect(Math.abs(seen!.delay! / delay - 1)).toBeLessThan(4.5 / Math.sqrt(0.24 * 30_000));
  });

  test('has a name of its own for every row', () => {
    expect(new Set(SCENARIOS.map(({ name }) => name)).size).toBe(SCENARIOS.length);
    expect(new Set(NAIVE_RULES.map(({ name }) => name)).size).toBe(NAIVE_RULES.length);
  });
});

describe('the naive rules', () => {
  const bucket = (right: number, wrong: number, canaryRight: number, canaryWrong: number) => ({
    baseline: { right, wrong },
    canary: { right: canaryRight, wrong: canaryWrong },
  });
  const judged = (labels: ReturnType<typeof bucket>[], least = 0.6) =>
    Object.fromEntries(
      NAIVE_RULES.map(({ name, judge }) => {
        const { verdict, bucket: at } = judge(labels, least);
        return [name.split(' ')[0]!, `${verdict} ${at}`];
      }),
    );

  test('roll back a canary that is plainly worse, each in its own time', () => {
    const labels = Array.from({ length: 40 }, (_, i) => bucket(70 + (i % 3), 30, 40 + (i % 3), 60));
    expect(judged(labels)).toEqual({
      'z-test': 'rollback 1',
      'Mann-Whitney,': 'rollback 20',
      failure: 'rollback 4',
      consecutive: 'rollback 4',
      failed: 'rollback 5',
    });
  });

  test('promote one that is as good, by steps or at the end', () => {
    const labels = Array.from({ length: 40 }, (_, i) => bucket(70 + (i % 3), 30, 70 + ((i + 1) % 3), 30));
    expect(judged(labels)).toEqual({
      'z-test': 'promote 40',
      'Mann-Whitney,': 'promote 40',
      failure: 'promote 40',
      consecutive: 'promote 4',
      failed: 'promote 5',
    });
  });

  test('find the shift between two samples', () => {
    const a = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    const shift = shiftBetween(
      a,
      a.map((one) => one + 20),
    );
    expect(shift!.estimate).toBe(20);
    expect(20 - shift!.low).toBe(shift!.high - 20);
    expect(shift!.low).toBeGreaterThan(15);
    expect(shiftBetween([], a)).toBeNull();
  });
});
