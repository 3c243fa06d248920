import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CHECK_NAMES, completePolicy, type CheckName, type PartialPolicy } from '#assay/event/policy.js';
import type { BucketRow } from '#assay/verdict/cells.js';
import type { Check } from '#assay/verdict/checks.js';
import { claimsOf } from '#assay/verdict/claims.js';
import { judgeCanary, type Judgement, type JudgementInput } from '#assay/verdict/verdict.js';

const START = Date.UTC(2026, 2, 2, 8);
const WIDTH = 300_000;

interface ArmRates {
  n: number;
  wrong: number;
  right: number;
  errors?: number;
  slow?: number;
  newcomers?: number;
}

const USUAL: ArmRates = { n: 300, wrong: 0.05, right: 0.15 };

/** The same rates in every bucket and at every age: what is expected, without noise. */
function rows(baseline: Partial<ArmRates>, canary: Partial<ArmRates>, buckets = 60): BucketRow[] {
  return Array.from({ length: buckets }, (_, i) => [
    armRow('v7', i, { ...USUAL, ...baseline }),
    armRow('v8', i, { ...USUAL, ...canary }),
  ]).flat();
}

function armRow(version: string, i: number, arm: ArmRates): BucketRow {
  const left = 1 - arm.wrong - arm.right;
  const atRisk = [arm.n, arm.n * left, arm.n * left * left];
  return {
    version,
    bucket: START + i * WIDTH,
    predictions: arm.n,
    subjects: arm.n,
    errors: arm.n * (arm.errors ?? 0),
    timedSubjects: arm.n,
    slow: arm.n * (arm.slow ?? 0),
    newcomers: arm.newcomers ?? arm.n,
    atRisk,
    right: atRisk.map((n) => n * arm.right),
    wrong: atRisk.map((n) => n * arm.wrong),
  };
}

function input(
  cells: BucketRow[],
  policy: PartialPolicy = {},
  changes: Partial<JudgementInput> = {},
): JudgementInput {
  return {
    rows: cells,
    baseline: 'v7',
    canary: 'v8',
    startedAt: START,
    splits: [{ at: START, split: { v7: 0.5, v8: 0.5 } }],
    ramp: null,
    policy: completePolicy({ ageEdgesSeconds: [0, 300, 900, 2400], ...policy }),
    asOf: START + 70 * WIDTH,
    lagSeconds: 1,
    ...changes,
  };
}

function check(judgement: Judgement, name: CheckName): Check {
  return judgement.checks.find((candidate) => candidate.name === name)!;
}

describe('promote', () => {
  test('an equal canary, with the numbers', () => {
    const judgement = judgeCanary(input(rows({}, {})));
    expect(judgement.verdict).toBe('promote');
    expect(judgement.reason).toMatch(
      /^v8 may take all the traffic: users call answers of v8 wrong 1\.00 times .* at most 10 % more/,
    );
    expect(check(judgement, 'wrong-within')).toMatchObject({ status: 'pass', threshold: 20 });
    expect(check(judgement, 'wrong-within').estimate).toBeCloseTo(1, 9);
    expect(check(judgement, 'wrong-up').status).toBe('pass');
    expect((judgement.decidedAt! - START) % WIDTH).toBe(0);
  });

  test('a better canary, once its confirmations are shown to hold', () => {
    const judgement = judgeCanary(input(rows({}, { wrong: 0.035, right: 0.157 })));
    expect(judgement.verdict).toBe('promote');
    const at = judgement.timeline.find((point) => point.at === judgement.decidedAt)!;
    expect(at.evidence['wrong-lower']).toBeGreaterThan(3);
    expect(at.evidence['right-held']).toBeGreaterThanOrEqual(20);
  });
});

describe('rollback', () => {
  test('a canary that is corrected more and not confirmed more', () => {
    const judgement = judgeCanary(input(rows({}, { wrong: 0.075, right: 0.145 })));
    expect(judgement.verdict).toBe('rollback');
    expect(judgement.reason).toMatch(
      /^v8 gives more wrong answers: users call answers of v8 wrong 1\.50 times/,
    );
    expect(judgement.reason).toContain('Send its traffic back to v7.');
    expect(check(judgement, 'wrong-up').status).toBe('fail');
  });

  test('a canary that fails more often, without waiting for a label', () => {
    const judgement = judgeCanary(
      input(rows({ errors: 0.001 }, { errors: 0.05 }, 8), {}, { asOf: START + 8 * WIDTH }),
    );
    expect(judgement.verdict).toBe('rollback');
    expect(judgement.reason).toBe(
      "v8 fails more often: 5 % of its predictions, against 0.1 % of v7's in the same hours. Send its traffic back to v7.",
    );
  });

  test('a canary that is slow more often, where there is a limit', () => {
    const cells = rows({ slow: 0.01 }, { slow: 0.1 });
    const judgement = judgeCanary(input(cells, { latencyLimitMs: 250 }));
    expect(judgement.verdict).toBe('rollback');
    expect(judgement.reason).toContain('slower than 250 ms more often: 10 % of its predictions');
    const unlimited = judgeCanary(input(cells));
    expect(unlimited.verdict).toBe('promote');
    expect(check(unlimited, 'slow-up').status).toBe('waived');
  });
});

describe('hold', () => {
  test('users of the canary confirm less often', () => {
    const judgement = judgeCanary(input(rows({}, { right: 0.1 })));
    expect(judgement.verdict).toBe('hold');
    expect(judgement.reason).toMatch(
      /^Users of v8 confirm less often than users of v7, 0\.67 times .*alone say nothing about the answers/,
    );
    expect(judgement.labelsNeeded).toBeUndefined();
    expect(check(judgement, 'right-lower').status).toBe('fail');
  });

  test('users of the canary label more of everything', () => {
    const judgement = judgeCanary(input(rows({}, { wrong: 0.065, right: 0.195 })));
    expect(judgement.verdict).toBe('hold');
    expect(judgement.reason).toContain('they may only label more');
    expect(judgement.decidedAt).toBeNull();
  });

  test('users of the canary correct less and confirm less', () => {
    const judgement = judgeCanary(input(rows({}, { wrong: 0.03, right: 0.144 })));
    expect(judgement.verdict).toBe('hold');
    expect(judgement.reason).toContain('good news only if they confirm as often as before');
  });

  test('the traffic does not arrive as configured', () => {
    const judgement = judgeCanary(input(rows({ newcomers: 300 }, { newcomers: 200 })));
    expect(judgement.verdict).toBe('hold');
    expect(judgement.reason).toMatch(
      /^The traffic does not arrive as the split says: v8 has 12000 of 30000 new users, 0\.80 times/,
    );
    expect(check(judgement, 'sample-ratio')).toMatchObject({ status: 'fail', estimate: 0.8 });
  });

  test('the evidence is still growing: about how many labels it takes', () => {
    const early = judgeCanary(input(rows({}, {}), {}, { asOf: START + 12 * WIDTH }));
    expect(early.verdict).toBe('hold');
    expect(early.reason).toContain(`about ${early.labelsNeeded} more labels on v8`);
    const decided = judgeCanary(input(rows({}, {})));
    const labelsAtEarly = early.labels.canary.right + early.labels.canary.wrong;
    const atVerdict = judgeCanary(input(rows({}, {}), {}, { asOf: decided.decidedAt! }));
    const taken = atVerdict.labels.canary.right + atVerdict.labels.canary.wrong - labelsAtEarly;
    expect(early.labelsNeeded! / taken).toBeGreaterThan(0.5);
    expect(early.labelsNeeded! / taken).toBeLessThan(2);
    // As many buckets as it really took, at the same rate of labels.
    const tookSeconds = (decided.decidedAt! - (START + 12 * WIDTH)) / 1000;
    expect(early.secondsNeeded! / tookSeconds).toBeGreaterThan(0.5);
    expect(early.secondsNeeded! / tookSeconds).toBeLessThan(2);
    expect(early.reason).toMatch(
      /which takes about \d+ (hour|minute|day)s? at the present rate of labels\.$/,
    );
  });
});

describe('insufficient', () => {
  test('before the first cell closes, with the time at which it does', () => {
    const judgement = judgeCanary(input(rows({}, {}), {}, { startedAt: START + 1, asOf: START + 2 * WIDTH }));
    expect(judgement.verdict).toBe('insufficient');
    expect(judgement.reason).toContain('at 2026-03-02T08:15:00.000Z');
    expect(check(judgement, 'wrong-up').status).toBe('pending');
  });

  test('no labels on one arm', () => {
    const judgement = judgeCanary(
      input(rows({}, { wrong: 0, right: 0 }, 2), {}, { asOf: START + 4 * WIDTH }),
    );
    expect(judgement.verdict).toBe('insufficient');
    expect(judgement.reason).toContain('600 predictions of v8 and 600 of v7');
  });

  test('no traffic for the canary', () => {
    const judgement = judgeCanary(input(rows({}, {}).filter((row) => row.version === 'v7')));
    expect(judgement.verdict).toBe('insufficient');
    expect(judgement.reason).toContain('Check that the split sends traffic to v8');
  });

  test('stale figures promote nothing, but still roll back', () => {
    const stale = judgeCanary(input(rows({}, {}), {}, { lagSeconds: 301 }));
    expect(stale).toMatchObject({ verdict: 'insufficient', decidedAt: null });
    expect(stale.reason).toContain('301 s behind');
    expect(judgeCanary(input(rows({}, {}), { maxLagSeconds: 600 }, { lagSeconds: 301 })).verdict).toBe(
      'promote',
    );
    expect(judgeCanary(input(rows({}, { wrong: 0.08 }), {}, { lagSeconds: 301 })).verdict).toBe('rollback');
  });
});

describe('users who never confirm', () => {
  const silent = rows({ right: 0 }, { right: 0 });

  test('are not asked about, once predictions of every age show it', () => {
    const judgement = judgeCanary(input(silent));
    expect(judgement.verdict).toBe('promote');
    expect(judgement.reason).toContain('Users never confirm here');
    // 600 subjects a bucket: the fourth one makes 2,000, and its last age bin ends eight buckets after it.
    expect(judgement.decidedAt).toBeGreaterThanOrEqual(START + (4 + 8) * WIDTH);
    for (const name of ['right-lower', 'right-within', 'right-held', 'right-not-higher'] as const) {
      expect(check(judgement, name).status).toBe('waived');
    }
  });

  test('roll back on corrections alone', () => {
    expect(judgeCanary(input(rows({ right: 0 }, { right: 0, wrong: 0.08 }))).verdict).toBe('rollback');
  });

  test('hold where the policy requires confirmations', () => {
    const judgement = judgeCanary(input(silent, { confirmations: 'required' }));
    expect(judgement.verdict).toBe('hold');
    expect(judgement.reason).toContain('right-within has evidence');
  });

  test('are not waited for where the policy says that there are none', () => {
    const judgement = judgeCanary(input(silent, { confirmations: 'none' }));
    expect(judgement.verdict).toBe('promote');
    expect(judgement.decidedAt!).toBeLessThanOrEqual(judgeCanary(input(silent)).decidedAt!);
  });

  test('are asked about when only one arm is silent', () => {
    expect(judgeCanary(input(rows({}, { right: 0 }))).verdict).toBe('hold');
  });
});

describe('the terms', () => {
  test('a wider tolerance accepts what a narrow one does not', () => {
    const cells = rows({}, { wrong: 0.058, right: 0.148 });
    expect(judgeCanary(input(cells)).verdict).not.toBe('promote');
    expect(judgeCanary(input(cells, { tolerance: 0.3 })).verdict).toBe('promote');
  });

  test('a smaller alpha takes longer', () => {
    const usual = judgeCanary(input(rows({}, {})));
    const strict = judgeCanary(
      input(rows({}, {}), { alpha: { 'wrong-within': 0.001, 'right-within': 0.001 } }),
    );
    expect(check(strict, 'wrong-within').threshold).toBe(1000);
    expect(strict.decidedAt ?? Infinity).toBeGreaterThan(usual.decidedAt!);
  });

  test('the boundaries follow from the tolerance', () => {
    const usual = claimsOf({ tolerance: 0.1 });
    expect(usual['wrong-up'].slope).toBeCloseTo(1.1, 12);
    expect(usual['right-within'].slope).toBeCloseTo(0.9, 12);
    expect(usual['right-held']).toMatchObject({ side: 'above', slope: 0.975, unit: 0.05 });
    expect(usual['right-lower']).toMatchObject({ side: 'below', slope: 1, unit: 0.05 });
    for (const tolerance of [0.01, 0.5, 1]) {
      for (const claim of Object.values(claimsOf({ tolerance }))) {
        expect(claim.slope).toBeGreaterThan(0);
        if (claim.side === 'below') expect(4 * claim.unit).toBeLessThan(1);
      }
    }
  });
});

describe('the first verdict stands', () => {
  const many = { n: 900 };
  const worseLater = [...rows(many, many, 40), ...rows(many, { ...many, wrong: 0.12 }, 90).slice(80)];

  test('a promotion is not taken back by what comes after it', () => {
    const all = { asOf: START + 95 * WIDTH };
    const judgement = judgeCanary(input(worseLater, {}, all));
    expect(judgement.verdict).toBe('promote');
    expect(check(judgement, 'wrong-up').status).toBe('fail');
    const worseFromTheStart = judgeCanary(input(worseLater.slice(80), {}, all));
    expect(worseFromTheStart.verdict).toBe('rollback');
  });

  test('whenever one asks, the same verdict with the same reason at the same time', () => {
    const arm = fc.record({
      wrong: fc.double({ min: 0.02, max: 0.1, noNaN: true }),
      right: fc.double({ min: 0.05, max: 0.2, noNaN: true }),
    });
    fc.assert(
      fc.property(
        arm,
        arm,
        arm,
        fc.array(fc.integer({ min: 0, max: 80 * WIDTH }), { maxLength: 5 }),
        (a, b, later, times) => {
          const cells = [...rows(a, b, 25), ...rows(a, later, 60).slice(50)];
          const final = judgeCanary(input(cells, {}, { asOf: START + 80 * WIDTH }));
          for (const time of times) {
            const { verdict, reason, decidedAt } = judgeCanary(input(cells, {}, { asOf: START + time }));
            const isDecided = final.decidedAt !== null && START + time >= final.decidedAt;
            if (isDecided)
              expect({ verdict, reason, decidedAt }).toMatchObject({
                verdict: final.verdict,
                reason: final.reason,
                decidedAt: final.decidedAt,
              });
            else expect(decidedAt).toBeNull();
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  test('cells that are not closed change nothing', () => {
    const asOf = START + 20 * WIDTH;
    const known = judgeCanary(input(rows({}, {}, 60), {}, { asOf }));
    const open = rows({}, {}, 60).map((row) => {
      const age = (bin: number): boolean => row.bucket + WIDTH + [300, 900, 2400][bin]! * 1000 > asOf;
      return {
        ...row,
        wrong: row.wrong.map((y, bin) => (age(bin) ? 0 : y)),
        right: row.right.map((y, bin) => (age(bin) ? 0 : y)),
      };
    });
    expect(judgeCanary(input(open, {}, { asOf }))).toEqual(known);
  });
});

describe('what is shown', () => {
  const judgement = judgeCanary(input(rows({}, { wrong: 0.06 })));

  test('every check once, in finite numbers', () => {
    expect(judgement.checks.map(({ name }) => name)).toEqual([...CHECK_NAMES]);
    for (const { evidence, threshold } of judgement.checks) {
      expect(Number.isFinite(evidence) && Number.isFinite(threshold)).toBe(true);
    }
    expect(JSON.parse(JSON.stringify(judgement))).toEqual(judgement);
  });

  test('the ratio of the two values is the estimate, inside its interval', () => {
    const { estimate, interval, baseline, canary } = check(judgement, 'wrong-up');
    expect(estimate).toBeCloseTo(1.2, 9);
    expect(canary.value! / baseline.value!).toBeCloseTo(1.2, 9);
    expect(interval![0]).toBeLessThan(1.2);
    expect(interval![1]).toBeGreaterThan(1.2);
    expect(baseline.n).toBe(60 * 300);
  });

  test('the evidence over time, ending with the present one', () => {
    const last = judgement.timeline.at(-1)!;
    expect(last.evidence['wrong-up']).toBe(check(judgement, 'wrong-up').evidence);
    expect(judgement.timeline[0]!.at).toBe(START + WIDTH);
    const times = judgement.timeline.map(({ at }) => at);
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
  });

  test('coverage and accuracy of the labelled, as a description', () => {
    const { baseline } = judgement.labels;
    expect(baseline.accuracy).toBeCloseTo(0.75, 9);
    expect(baseline.coverage).toBeCloseTo(1 - 0.8 ** 3, 9);
  });
});
