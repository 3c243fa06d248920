import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { wilson } from '#assay/quality/intervals.js';

describe("Wilson's interval", () => {
  // Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
  test.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('of %i in %i is the published one', (successes, n, low, high) => {
    const interval = wilson(successes, n);
    expect(interval?.low).toBeCloseTo(low, 4);
    expect(interval?.high).toBeCloseTo(high, 4);
  });

  test('says nothing about nothing', () => {
    expect(wilson(0, 0)).toBeNull();
  });

  test('refuses what cannot be', () => {
    for (const [successes, n, z] of [
      [-1, 5, 2],
      [6, 5, 2],
      [1, 5, -1],
      [NaN, 5, 2],
      [1, NaN, 2],
    ] as const) {
      expect(() => wilson(successes, n, z)).toThrow(RangeError);
    }
  });

  test('lies in [0, 1], holds the share, and mirrors', () => {
    const counts = fc
      .nat(10_000)
      .chain((n) => fc.tuple(fc.integer({ min: 0, max: n + 1 }), fc.constant(n + 1)));
    fc.assert(
      fc.property(counts, ([successes, n]) => {
        const interval = wilson(successes, n);
        const mirrored = wilson(n - successes, n);
        if (interval === null || mirrored === null) throw new Error('an interval expected');
        expect(interval.low).toBeGreaterThanOrEqual(0);
        expect(interval.high).toBeLessThanOrEqual(1);
        expect(interval.low).toBeLessThanOrEqual(successes / n);
        expect(interval.high).toBeGreaterThanOrEqual(successes / n);
        expect(interval.low).toBeCloseTo(1 - mirrored.high, 10);
      }),
    );
  });
});
