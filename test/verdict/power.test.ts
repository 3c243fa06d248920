/** What a check takes in labels, over the information bound: a guard against evidence that is wasted again. */
import { describe, expect, test } from '@jest/globals';
import { cellsOf, hazardsOf, type Traffic } from '../../bench/canary-cells.js';
import { boundOf, measure, POLICY } from '../../bench/label-bound.js';

const quarterMoreWrong: Traffic = {
  accuracy: { baseline: 0.8, canary: 0.75 },
  share: 0.5,
  buckets: 140,
  subjects: 600,
};

describe('labels until a check is answered', () => {
  test('stay near the bound for a quarter more wrong answers', () => {
    const { perCheck, missed } = measure(
      { title: '', traffic: quarterMoreWrong, checks: ['wrong-up'], verdict: 'rollback' },
      10,
      7,
    );
    const { judge, oracle } = perCheck.get('wrong-up')!;
    const threshold = -Math.log(POLICY.alpha['wrong-up']);
    const over = (logs: { oracleLog: number }[]): number =>
      logs.reduce((sum, { oracleLog }) => sum + oracleLog, 0) / logs.length / threshold;
    // About 1.1; 1.45 when every size of harm is given an equal stake and half of it waits.
    expect(missed).toBe(0);
    expect(over(oracle)).toBeGreaterThanOrEqual(1);
    expect(over(judge)).toBeLessThan(1.3);
    expect(over(judge)).toBeGreaterThan(over(oracle));
  });
});

describe('the bound', () => {
  test('does not depend on the traffic, and grows with the share of the canary', () => {
    const bound = boundOf('wrong-up', quarterMoreWrong);
    expect(boundOf('wrong-up', { ...quarterMoreWrong, subjects: 40 })).toBeCloseTo(bound, 6);
    // With few labels of the canary beside many of the baseline, one of the canary tells more.
    expect(boundOf('wrong-up', { ...quarterMoreWrong, share: 0.1 })).toBeLessThan(0.7 * bound);
  });

  test('agrees with counting by hand for rare events', () => {
    // Of two rare events one is the canary's with probability s r / (1 + s r) on the boundary (r = 1).
    const traffic: Traffic = {
      accuracy: { baseline: 0.9999, canary: 0.9998 },
      share: 0.5,
      buckets: 1,
      subjects: 100,
    };
    const [p, q] = [2 / 3, 1.1 / 2.1];
    const perEvent = p * Math.log(p / q) + (1 - p) * Math.log((1 - p) / (1 - q));
    expect(boundOf('wrong-up', traffic)).toBeCloseTo((-Math.log(POLICY.alpha['wrong-up']) * p) / perEvent, 1);
  });
});

test('cells are drawn at the rates that the bound is computed from', () => {
  const rows = cellsOf({ ...quarterMoreWrong, buckets: 100 }, 5);
  const { canary } = hazardsOf(quarterMoreWrong);
  for (const [bin, rate] of canary.wrong.entries()) {
    const mine = rows.filter(({ version }) => version === 'v2');
    const atRisk = mine.reduce((sum, row) => sum + row.atRisk[bin]!, 0);
    const wrong = mine.reduce((sum, row) => sum + row.wrong[bin]!, 0);
    expect(Math.abs(wrong - atRisk * rate)).toBeLessThan(4 * Math.sqrt(atRisk * rate * (1 - rate)));
  }
});
