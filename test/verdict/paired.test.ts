import { describe, expect, test } from '@jest/globals';
import {
  evidenceWithin,
  evidenceWorse,
  oddsHeld,
  type PairPattern,
  type PairedEvidence,
} from '#assay/verdict/paired.js';

const NOTHING: PairPattern = { shadowed: 1, lost: 0, won: 0, unsure: 0, wrong: 0, subjects: 1 };

const LOST = { ...NOTHING, lost: 1 };
const WON = { ...NOTHING, won: 1, wrong: 1 };
const BOTH_WRONG = { ...NOTHING, wrong: 1 };
const UNSURE = { ...NOTHING, unsure: 1, wrong: 1 };

/** One prediction's fate, with its probability. */
type Fates = [pattern: PairPattern, probability: number][];

/** What one prediction comes to where users label right answers with `confirms`, wrong ones `odds` times as often. */
function fates(onlyShown: number, onlyChallenger: number, neither: number, confirms: number, odds: number) {
  const labelled: Fates = [
    [LOST, onlyShown * confirms],
    [WON, onlyChallenger * confirms * odds],
    [BOTH_WRONG, neither * confirms * odds * 0.7],
    [UNSURE, neither * confirms * odds * 0.3],
  ];
  const rest = 1 - labelled.reduce((sum, [, probability]) => sum + probability, 0);
  return [...labelled, [NOTHING, rest]] as Fates;
}

/** All that two predictions of one subject can come to. */
function twoOfOneSubject(one: Fates): Fates {
  return one.flatMap(([a, p]) =>
    one.map(([b, q]): Fates[number] => {
      const sum = (of: 'lost' | 'won' | 'unsure' | 'wrong') => a[of] + b[of];
      const counts = { lost: sum('lost'), won: sum('won'), unsure: sum('unsure'), wrong: sum('wrong') };
      return [{ shadowed: 2, ...counts, subjects: 1 }, p * q];
    }),
  );
}

/** Mean of the evidence, stopped as soon as it reaches `stopAt`, over everything that can happen. */
function meanEvidence(start: () => PairedEvidence, possible: Fates, length: number, stopAt: number): number {
  const from = (seen: PairPattern[]): number => {
    const evidence = start();
    for (const pattern of seen) evidence.add(pattern);
    const value = Math.exp(evidence.log());
    if (seen.length === length || value >= stopAt) return value;
    return possible.reduce((sum, [next, probability]) => sum + probability * from([...seen, next]), 0);
  };
  return from([]);
}

const TOLERANCES = [0.05, 0.1, 0.5];
const SHARES = [0.02, 0.1, 0.3];

describe('the evidence is at most 1 on average, wherever one stops', () => {
  const settings = TOLERANCES.flatMap((tolerance) =>
    SHARES.flatMap((onlyChallenger) => SHARES.map((neither) => ({ tolerance, onlyChallenger, neither }))),
  );

  test.each(settings)('"within" with $tolerance more wrong answers: $onlyChallenger, $neither', (setting) => {
    const { tolerance, onlyChallenger, neither } = setting;
    const onlyShown = onlyChallenger + tolerance * (onlyChallenger + neither);
    for (const [odds, believed] of [
      [1, 1],
      [4, 4],
      [0.5, 0.5],
      [1, 4],
      [2, 3],
    ] as const) {
      const possible = fates(onlyShown, onlyChallenger, neither, 0.2, odds);
      const mean = meanEvidence(() => evidenceWithin(tolerance, believed), possible, 4, 1.5);
      expect(mean).toBeLessThanOrEqual(1 + 1e-12);
      const ofTwo = twoOfOneSubject(possible);
      const meanOfTwo = meanEvidence(() => evidenceWithin(tolerance, believed), ofTwo, 2, 1.5);
      expect(meanOfTwo).toBeLessThanOrEqual(1 + 1e-12);
    }
  });

  test.each(settings)('"worse" with $tolerance more wrong answers: $onlyChallenger, $neither', (setting) => {
    const { tolerance, onlyChallenger, neither } = setting;
    // Of the answers of which it is not known, some are the challenger's right ones: 0 of them is the worst case.
    const onlyShown = onlyChallenger + tolerance * (onlyChallenger + neither);
    for (const [odds, believed] of [
      [1, 1],
      [4, 4],
      [0.5, 0.5],
      [4, 1],
      [3, 2],
    ] as const) {
      const possible = fates(onlyShown, onlyChallenger, neither, 0.2, odds);
      const mean = meanEvidence(() => evidenceWorse(tolerance, believed), possible, 4, 1.5);
      expect(mean).toBeLessThanOrEqual(1 + 1e-12);
      const ofTwo = twoOfOneSubject(possible);
      const meanOfTwo = meanEvidence(() => evidenceWorse(tolerance, believed), ofTwo, 2, 1.5);
      expect(meanOfTwo).toBeLessThanOrEqual(1 + 1e-12);
    }
  });

  test('but not when labels favour wrong answers more than was believed', () => {
    const possible = fates(0.11, 0.1, 0, 0.2, 4);
    expect(meanEvidence(() => evidenceWithin(0.1, 1), possible, 4, Infinity)).toBeGreaterThan(1);
    const reluctant = fates(0.11, 0.1, 0, 0.2, 0.5);
    expect(meanEvidence(() => evidenceWorse(0.1, 1), reluctant, 4, Infinity)).toBeGreaterThan(1);
  });
});

describe('the odds at which a claim holds', () => {
  const many = (pattern: PairPattern, subjects: number): PairPattern => ({ ...pattern, subjects });

  test('"within" holds up to about won / lost', () => {
    const patterns = [many(LOST, 100), many(WON, 300), many(BOTH_WRONG, 1000)];
    const odds = oddsHeld(patterns, 'within', 0.1, 0.05)!;
    // (300 + .1 * 1000) / 100 = 4 is where the scores sum to 0; the proof needs some distance from it.
    expect(odds).toBeGreaterThan(2.5);
    expect(odds).toBeLessThan(4);
    const evidence = (at: number) => {
      const one = evidenceWithin(0.1, at);
      for (const pattern of patterns) one.add(pattern);
      return Math.exp(one.log());
    };
    expect(evidence(odds * 0.999)).toBeGreaterThanOrEqual(20);
    expect(evidence(odds * 1.001)).toBeLessThan(20);
  });

  test('"worse" holds from about (won + tolerance * wrong) / lost on', () => {
    const odds = oddsHeld([many(LOST, 300), many(WON, 100), many(BOTH_WRONG, 1000)], 'worse', 0.1, 0.03)!;
    expect(odds).toBeGreaterThan((100 + 0.1 * 1000) / 300);
    expect(odds).toBeLessThan(1.1);
  });

  test('nothing holds without labels', () => {
    expect(oddsHeld([many(NOTHING, 1000)], 'within', 0.1, 0.05)).toBeNull();
    expect(oddsHeld([], 'worse', 0.1, 0.05)).toBeNull();
  });
});
