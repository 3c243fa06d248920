/** Which version answers a subject: always the same one, as many as the split says, and no needless moves. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { chooseVersion } from '#assay/serving/split.js';

const SUBJECTS = 2000;
/** Six standard deviations: by chance once in five hundred million draws. */
const DEVIATIONS = 6;

const versions = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9.]{0,8}$/), { minLength: 1, maxLength: 5 });
const splits = fc
  .tuple(versions, fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 5, maxLength: 5 }))
  .map(([names, weights]) => {
    const total = names.reduce((sum, _, i) => sum + (weights[i] ?? 0), 0);
    return Object.fromEntries(names.map((version, i) => [version, (weights[i] ?? 0) / total]));
  });
const seeds = fc.integer({ min: 0, max: 1e9 });
const subjectsOf = (seed: number): string[] =>
  Array.from({ length: SUBJECTS }, (_, i) => `subject-${seed}-${i}`);

describe('the split', () => {
  test('gives a subject the same version every time, whatever the order of the versions', () => {
    fc.assert(
      fc.property(splits, fc.string(), (split, subject) => {
        const reversed = Object.fromEntries(Object.entries(split).reverse());
        const chosen = chooseVersion(split, subject);
        expect(Object.keys(split)).toContain(chosen);
        expect(chooseVersion(split, subject)).toBe(chosen);
        expect(chooseVersion(reversed, subject)).toBe(chosen);
      }),
      { numRuns: 1000 },
    );
  });

  test('gives every version the share of the subjects that it says', () => {
    fc.assert(
      fc.property(splits, seeds, (split, seed) => {
        const counts = new Map<string, number>();
        for (const subject of subjectsOf(seed)) {
          const version = chooseVersion(split, subject);
          counts.set(version, (counts.get(version) ?? 0) + 1);
        }
        for (const [version, share] of Object.entries(split)) {
          const deviation = Math.sqrt(SUBJECTS * share * (1 - share));
          const distance = Math.abs((counts.get(version) ?? 0) - SUBJECTS * share);
          expect(distance).toBeLessThanOrEqual(DEVIATIONS * deviation + 1);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('moves subjects only to the canary when the canary gets more, and only as many as it must', () => {
    const shares = fc.uniqueArray(fc.integer({ min: 0, max: 1000 }), { minLength: 2, maxLength: 2 });
    fc.assert(
      fc.property(shares, seeds, ([a = 0, b = 0], seed) => {
        const [before, after] = [Math.min(a, b) / 1000, Math.max(a, b) / 1000];
        let moved = 0;
        for (const subject of subjectsOf(seed)) {
          const first = chooseVersion({ base: 1 - before, canary: before }, subject);
          const then = chooseVersion({ base: 1 - after, canary: after }, subject);
          if (first === then) continue;
          expect([first, then]).toEqual(['base', 'canary']);
          moved++;
        }
        const share = after - before;
        const deviation = Math.sqrt(SUBJECTS * share * (1 - share));
        expect(Math.abs(moved - SUBJECTS * share)).toBeLessThanOrEqual(DEVIATIONS * deviation + 1);
      }),
      { numRuns: 60 },
    );
  });

  test('never gives a subject to a version without a share', () => {
    fc.assert(
      fc.property(splits, fc.string(), (split, subject) => {
        expect(chooseVersion({ idle: 0, ...split, off: 0 }, subject)).toBe(
          chooseVersion({ ...split, idle: 0, off: 0 }, subject),
        );
        expect(['idle', 'off']).not.toContain(chooseVersion({ idle: 0, ...split, off: 0 }, subject));
      }),
    );
    expect(() => chooseVersion({ idle: 0 }, 'kim')).toThrow('no version has a share');
  });
});
