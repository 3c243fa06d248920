import { describe, expect, test } from '@jest/globals';
import { PooledRatio } from '#assay/verdict/pooled-ratio.js';

describe('the pooled ratio', () => {
  test('is not moved by a ramp during a drift, where adding up the arms would be', () => {
    const ratio = new PooledRatio();
    // The rate falls from 20 % to 10 % on both arms while the canary's share rises from 10 % to 50 %.
    ratio.add({ nB: 900, yB: 180, nC: 100, yC: 20 });
    ratio.add({ nB: 500, yB: 50, nC: 500, yC: 50 });
    expect(ratio.estimate).toBeCloseTo(1, 12);
    expect(ratio.interval![0]).toBeLessThan(1);
    expect(ratio.interval![1]).toBeGreaterThan(1);
    expect((20 + 50) / 600 / ((180 + 50) / 1400)).toBeLessThan(0.75);
  });

  test('agrees with the plain log-ratio interval when there is one cell', () => {
    const ratio = new PooledRatio();
    ratio.add({ nB: 400, yB: 40, nC: 200, yC: 30 });
    const se = Math.sqrt(1 / 40 - 1 / 400 + 1 / 30 - 1 / 200);
    expect(ratio.estimate).toBeCloseTo(1.5, 12);
    expect(ratio.interval![0]).toBeCloseTo(1.5 * Math.exp(-1.96 * se), 10);
    expect(ratio.interval![1]).toBeCloseTo(1.5 * Math.exp(1.96 * se), 10);
    expect(ratio.rates!.canary / ratio.rates!.baseline).toBeCloseTo(1.5, 12);
  });

  test('is undefined where it cannot be told', () => {
    const ratio = new PooledRatio();
    expect([ratio.estimate, ratio.interval, ratio.rates]).toEqual([null, null, null]);
    ratio.add({ nB: 0, yB: 0, nC: 10, yC: 5 });
    expect(ratio.rates).toBeNull();
    ratio.add({ nB: 10, yB: 0, nC: 10, yC: 5 });
    expect(ratio.estimate).toBeNull();
    ratio.add({ nB: 10, yB: 5, nC: 10, yC: 0 });
    expect(ratio.estimate).toBeCloseTo(1, 12);
  });

  test('an interval needs an event on both arms', () => {
    const ratio = new PooledRatio();
    ratio.add({ nB: 10, yB: 5, nC: 10, yC: 0 });
    expect(ratio.estimate).toBe(0);
    expect(ratio.interval).toBeNull();
  });
});
