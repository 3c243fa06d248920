/** Scores that users define: shares of alpha, what a worse one does, and how often an equal one looks worse. */
import { describe, expect, test } from '@jest/globals';
import { completePolicy, type PartialScore, type Score } from '#assay/event/policy.js';
import type { BucketRow, ScoreMeans } from '#assay/verdict/cells.js';
import type { Check } from '#assay/verdict/checks.js';
import { alternativeAt } from '#assay/verdict/e-process.js';
import { scoreClaim, ScoreWatch } from '#assay/verdict/scores.js';
import { judgeCanary, type Judgement } from '#assay/verdict/verdict.js';

const START = Date.UTC(2026, 2, 2, 8);
const WIDTH = 300_000;
const COST: PartialScore = { name: 'cost', from: '/cost', better: 'lower' };
const QUALITY: PartialScore = { name: 'quality', from: '/quality', better: 'higher' };

/** An arm in which all but the scores is as usual. */
function row(version: string, i: number, scores: ScoreMeans[]): BucketRow {
  const atRisk = [300, 240, 192];
  return {
    version,
    bucket: START + i * WIDTH,
    predictions: 300,
    subjects: 300,
    errors: 0,
    timedSubjects: 300,
    slow: 0,
    newcomers: 300,
    atRisk,
    right: atRisk.map((n) => n * 0.15),
    wrong: atRisk.map((n) => n * 0.05),
    scores,
  };
}

/** Mean scores of the baseline and of the canary, one for each score of the policy; null: no prediction has it. */
function judged(
  scores: PartialScore[],
  baseline: (number | null)[],
  canary: (number | null)[],
  buckets = 60,
): Judgement {
  const means = (values: (number | null)[]): ScoreMeans[] =>
    values.map((mean) =>
      mean === null ? { subjects: 0, sum: 0, leftOut: 300 } : { subjects: 290, sum: 290 * mean, leftOut: 10 },
    );
  const rows = Array.from({ length: buckets }, (_, i) => [
    row('v7', i, means(baseline)),
    row('v8', i, means(canary)),
  ]).flat();
  return judgeCanary({
    rows,
    baseline: 'v7',
    canary: 'v8',
    startedAt: START,
    splits: [{ at: START, split: { v7: 0.5, v8: 0.5 } }],
    ramp: null,
    policy: completePolicy({ ageEdgesSeconds: [0, 300, 900, 2400], scores }),
    asOf: START + 70 * WIDTH,
    lagSeconds: 1,
  });
}

const check = (judgement: Judgement, name: Check['name']): Check =>
  judgement.checks.find((one) => one.name === name)!;

describe('the share of alpha', () => {
  test('is an equal part of what scores have together, or their own', () => {
    const { scores } = completePolicy({ scores: [COST, { ...QUALITY, alpha: 0.001, tolerance: 0.2 }] });
    expect(scores).toEqual([
      { ...COST, tolerance: 0.01, alpha: 0.01, onWorse: 'rollback' },
      { ...QUALITY, tolerance: 0.2, alpha: 0.001, onWorse: 'rollback' },
    ]);
  });

  test("is the operator's where a request names no scores, and none where it names an empty list", () => {
    const base = completePolicy({ scores: [COST, QUALITY] });
    expect(completePolicy({ tolerance: 0.2 }, base).scores).toEqual(base.scores);
    expect(completePolicy({ scores: [QUALITY] }, base).scores).toMatchObject([
      { name: 'quality', alpha: 0.02 },
    ]);
    expect(completePolicy({ scores: [] }, base).scores).toEqual([]);
  });

  test('is shown for every check, with what all that can roll back adds up to', () => {
    const judgement = judged([COST, { ...QUALITY, onWorse: 'hold' }], [0.3, 0.8], [0.3, 0.8]);
    for (const { alpha, threshold } of judgement.checks) expect(alpha * threshold).toBeCloseTo(1, 12);
    expect(check(judgement, 'score:cost').alpha).toBe(0.01);
    // wrong-up .03, errors-up .01 and the one score that rolls back; no limit of latency is given.
    expect(judgement.alpha).toEqual({ rollback: 0.05 });
    expect(judged([], [], []).alpha).toEqual({ rollback: 0.04 });
  });
});

describe('a score', () => {
  test('that is worse rolls back, without waiting for a label, whichever way is better', () => {
    const dearer = judged([COST], [0.3], [0.4], 8);
    expect(dearer.verdict).toBe('rollback');
    expect(dearer.reason).toBe(
      'v8 is worse by the score cost: 0.400 on average, against 0.300 of v7 in the same hours, where lower is better and 0.310 would be accepted. Send its traffic back to v7.',
    );
    const poorer = judged([COST, QUALITY], [0.3, 0.9], [0.3, 0.8], 8);
    expect(poorer.verdict).toBe('rollback');
    expect(poorer.reason).toContain('the score quality: 0.800 on average, against 0.900');
    expect(poorer.reason).toContain('higher is better and 0.890 would be accepted');
    expect(check(poorer, 'score:quality').status).toBe('fail');
    expect(check(poorer, 'score:cost').status).toBe('pass');
  });

  test('that is equal, better, or worse by less than its tolerance, promotes as if there were none', () => {
    const without = judged([], [], []);
    expect(without.verdict).toBe('promote');
    for (const [b, c] of [
      [0.3, 0.3],
      [0.3, 0.2],
      [0.5, 0.509],
      [0, 0],
      [1, 1],
    ] as const) {
      const judgement = judged([COST, QUALITY], [b, 1 - b], [c, 1 - c]);
      expect(judgement).toMatchObject({ verdict: 'promote', decidedAt: without.decidedAt });
      expect(check(judgement, 'score:cost').evidence).toBeLessThan(3);
    }
  });

  test('that only holds says so, and does not promote', () => {
    const judgement = judged([{ ...COST, onWorse: 'hold' }], [0.3], [0.4]);
    expect(judgement).toMatchObject({ verdict: 'hold', decidedAt: null });
    expect(judgement.reason).toMatch(/^v8 is worse by the score cost: .*The policy holds a canary for that/);
  });

  test('that nobody sends is no good news: it bars the promotion and says where it was looked for', () => {
    const judgement = judged([COST, QUALITY], [0.3, 0.9], [0.3, null]);
    expect(judgement).toMatchObject({ verdict: 'hold', decidedAt: null });
    expect(judgement.reason).toContain('All else is shown, but no prediction of v8 has the score quality');
    expect(judgement.reason).toContain('/quality of its metadata (18000 of v8 and 600 of v7 came without)');
    expect(check(judgement, 'score:quality').status).toBe('pending');
    expect(judged([COST], [0.3], [null], 8).reason).toMatch(
      /Not decided: .*no prediction of v8 has the score/,
    );
  });

  test('is shown as it was given, with what could not be counted, and over time', () => {
    const judgement = judged([QUALITY], [0.8], [0.6]);
    const { estimate, interval, baseline, canary } = check(judgement, 'score:quality');
    expect(estimate).toBeCloseTo(0.75, 9);
    expect(interval![0]).toBeLessThan(0.75);
    expect(interval![1]).toBeGreaterThan(0.75);
    expect(baseline).toEqual({ n: 60 * 290, value: expect.closeTo(0.8, 9), leftOut: 600 });
    expect(canary.value).toBeCloseTo(0.6, 9);
    expect(judgement.timeline.at(-1)!.evidence['score:quality']).toBe(
      check(judgement, 'score:quality').evidence,
    );
  });
});

describe('the claim', () => {
  test('has alternatives on the scale, for every tolerance and mean', () => {
    for (const tolerance of [0.001, 0.01, 0.1, 0.5, 0.9]) {
      const claim = scoreClaim({ tolerance });
      for (const mean of [0.0001, 0.05, 0.5, 0.9]) {
        const c = alternativeAt(claim, mean, 0.5);
        if (mean + tolerance >= 1) expect(c).toBeNull();
        else {
          expect(c!).toBeGreaterThan(mean + tolerance);
          expect(c! - mean - tolerance).toBeLessThanOrEqual(0.025 + 1e-12);
        }
      }
    }
  });
});

describe('how often a canary exactly at the tolerance looks worse', () => {
  const ALPHA = 0.05;
  const RUNS = 400;

  /** Scores of one subject: a number between, or all or nothing; both with this mean. */
  const draws: Record<string, (mean: number, random: () => number) => number> = {
    spread: (mean, random) => mean * 2 * random(),
    'all or nothing': (mean, random) => (random() < mean ? 1 : 0),
  };

  test.each(Object.entries(draws))('is at most alpha: %s', (_, draw) => {
    let state = 11;
    const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    const score: Score = {
      name: 's',
      from: '/s',
      better: 'lower',
      tolerance: 0.02,
      alpha: ALPHA,
      onWorse: 'hold',
    };
    const means = (n: number, mean: number): ScoreMeans => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += draw(mean, random);
      return { subjects: n, sum, leftOut: 0 };
    };
    let alarms = 0;
    for (let run = 0; run < RUNS; run++) {
      const watch = new ScoreWatch(score);
      for (let i = 0, fired = false; i < 40 && !fired; i++) {
        // The mean drifts through the day, for both.
        const mean = 0.2 + 0.1 * Math.sin(i / 6);
        watch.add(i, means(20, mean), means(8, mean + 0.02));
        fired = watch.process.logEvidence >= -Math.log(ALPHA);
        if (fired) alarms++;
      }
    }
    expect(alarms / RUNS).toBeLessThanOrEqual(ALPHA);
  });
});
