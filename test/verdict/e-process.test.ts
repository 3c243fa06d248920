import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { completePolicy } from '#assay/event/policy.js';
import { claimsOf } from '#assay/verdict/claims.js';
import {
  alternativeAt,
  boundaryAt,
  EProcess,
  FROM_THE_START,
  logRatio,
  logSumExp,
  projection,
  RateForecast,
  rootByNewton,
  type Claim,
  type Counts,
  type Side,
} from '#assay/verdict/e-process.js';

const BINOMIAL: number[][] = [[1]];
for (let n = 1; n <= 40; n++) {
  const above = BINOMIAL[n - 1]!;
  BINOMIAL.push(Array.from({ length: n + 1 }, (_, k) => (above[k - 1] ?? 0) + (above[k] ?? 0)));
}

function probability(n: number, y: number, rate: number): number {
  return BINOMIAL[n]![y]! * rate ** y * (1 - rate) ** (n - y);
}

/** E[e] of one block, over every outcome there is. */
function expectation(
  claim: Claim,
  b: number,
  c: number,
  nB: number,
  nC: number,
  rates: [number, number],
): number {
  let sum = 0;
  for (let yB = 0; yB <= nB; yB++) {
    for (let yC = 0; yC <= nC; yC++) {
      const weight = probability(nB, yB, rates[0]) * probability(nC, yC, rates[1]);
      if (weight > 0) sum += weight * Math.exp(logRatio(claim, b, c, { nB, nC, yB, yC }));
    }
  }
  return sum;
}

const SIZES: [number, number][] = [
  [1, 1],
  [3, 2],
  [2, 5],
  [10, 1],
  [12, 12],
  [40, 4],
];

describe('one block', () => {
  test.each<[Side, number, number]>([
    ['above', 1.1, 0],
    ['above', 0.9, 0],
    ['above', 0.975, 0],
    ['above', 1.3, 0],
    ['above', 1, 0.005],
    ['above', 1, 0.01],
    ['above', 1.2, 0.05],
    ['below', 1, 0],
    ['below', 1.1, 0],
    ['below', 1.3, 0],
    ['below', 1, 0.05],
  ])('is worth at most 1 on average under every null: %s, slope %d, offset %d', (side, slope, offset) => {
    const claim: Claim = { side, slope, offset, unit: offset > 0 ? 1 : 0.1 };
    let largest = 0;
    let settings = 0;
    for (const [nB, nC] of SIZES) {
      for (const b of [0.002, 0.05, 0.3, 0.6]) {
        for (const steps of [1, 4]) {
          const c = alternativeAt(claim, b, steps);
          if (c === null) continue;
          for (const rate of [0, 0.001, 0.04, 0.2, 0.5, 0.75, 1]) {
            // On the boundary, and a third of the way into the null.
            const boundary = Math.min(1, boundaryAt(claim, rate));
            const inside = side === 'above' ? boundary * 0.67 : boundary + (1 - boundary) / 3;
            for (const canary of [boundary, inside]) {
              if (side === 'below' && boundaryAt(claim, rate) > 1) continue;
              largest = Math.max(largest, expectation(claim, b, c, nB, nC, [rate, canary]));
              settings++;
            }
          }
        }
      }
    }
    expect(settings).toBeGreaterThan(300);
    expect(largest).toBeLessThanOrEqual(1 + 1e-9);
    expect(largest).toBeGreaterThan(0.99);
  });

  test('is worth more than 1 on average under its alternative', () => {
    const claim: Claim = { side: 'above', slope: 1.1, offset: 0, unit: 0.1 };
    const c = alternativeAt(claim, 0.3, 4)!;
    expect(expectation(claim, 0.3, c, 12, 12, [0.3, c])).toBeGreaterThan(1.01);
  });

  test('stays below 1 on average when scores lie between 0 and 1', () => {
    const claim: Claim = { side: 'above', slope: 1.1, offset: 0, unit: 0.1 };
    const c = alternativeAt(claim, 0.2, 2)!;
    // Each subject scores 0, 1/2 or 1; baseline mean 0.2, canary mean 0.22, on the boundary.
    const scores = (mean: number): [number, number][] => [
      [0, 1 - 1.5 * mean],
      [0.5, mean],
      [1, mean / 2],
    ];
    let sum = 0;
    for (const [b1, p1] of scores(0.2))
      for (const [b2, p2] of scores(0.2))
        for (const [c1, p3] of scores(0.22))
          for (const [c2, p4] of scores(0.22))
            sum +=
              p1 *
              p2 *
              p3 *
              p4 *
              Math.exp(logRatio(claim, 0.2, c, { nB: 2, nC: 2, yB: b1 + b2, yC: c1 + c2 }));
    expect(sum).toBeLessThan(1);
    expect(sum).toBeGreaterThan(0.9);
  });

  test('is projected on the closest point of the line, by formula and by Newton alike', () => {
    const rates = fc.double({ min: 0.001, max: 0.7, noNaN: true });
    fc.assert(
      fc.property(
        rates,
        fc.double({ min: 0.9, max: 1.3, noNaN: true }),
        fc.constantFrom<Side>('above', 'below'),
        fc.constantFrom(0.5, 1, 2, 4),
        fc.integer({ min: 1, max: 5000 }),
        fc.integer({ min: 1, max: 5000 }),
        (b, slope, side, steps, nB, nC) => {
          const claim: Claim = { side, slope, offset: 0, unit: 0.1 };
          const c = alternativeAt(claim, b, steps);
          if (c === null) return;
          const exact = projection(claim, b, c, nB, nC);
          expect(rootByNewton(claim, b, c, nB, nC) / exact).toBeCloseTo(1, 10);
          const distance = (th: number): number => nB * kl(b, th) + nC * kl(c, slope * th);
          expect(distance(exact)).toBeLessThanOrEqual(distance(exact * 1.001) + 1e-12);
          expect(distance(exact)).toBeLessThanOrEqual(distance(exact * 0.999) + 1e-12);
        },
      ),
    );
  });

  test('is projected between b and the rate at which the line reaches c when there is an offset', () => {
    const claim: Claim = { side: 'above', slope: 1, offset: 0.005, unit: 1 };
    const c = alternativeAt(claim, 0.0001, 8)!;
    const th = projection(claim, 0.0001, c, 900, 100);
    expect(c).toBeCloseTo(0.0001 + 0.005 + 8 * 0.005, 12);
    expect(th).toBeGreaterThan(0.0001);
    expect(th).toBeLessThan(c - 0.005);
    const slopeAt = (900 * (th - 0.0001)) / (th * (1 - th));
    const slopeOfCanary = (100 * (th + 0.005 - c)) / ((th + 0.005) * (1 - th - 0.005));
    expect(slopeAt + slopeOfCanary).toBeCloseTo(0, 8);
  });

  function kl(p: number, q: number): number {
    if (q >= 1) return Infinity;
    return p * Math.log(p / q) + (1 - p) * Math.log((1 - p) / (1 - q));
  }
});

describe('the alternatives', () => {
  test('there is none when the boundary leaves (0, 1)', () => {
    expect(alternativeAt({ side: 'above', slope: 1.1, offset: 0, unit: 0.1 }, 0.95, 1)).toBeNull();
    expect(alternativeAt({ side: 'below', slope: 1.3, offset: 0, unit: 0.1 }, 0.8, 1)).toBeNull();
  });

  test('there is none when clipping leaves it on the wrong side', () => {
    expect(alternativeAt({ side: 'above', slope: 1, offset: 0.0009, unit: 1 }, 0.999, 1)).toBeNull();
    expect(alternativeAt({ side: 'below', slope: 0.05, offset: 0, unit: 0.1 }, 1e-4, 1)).toBeNull();
  });

  test('are a share of the boundary, or of the offset', () => {
    expect(alternativeAt({ side: 'below', slope: 1.1, offset: 0, unit: 0.1 }, 0.2, 2)).toBeCloseTo(
      0.22 * 0.8,
      12,
    );
    expect(alternativeAt({ side: 'above', slope: 1, offset: 0.01, unit: 1 }, 0.2, 4)).toBeCloseTo(0.25, 12);
  });
});

describe('the forecast of the baseline', () => {
  test('knows only earlier blocks of the same age bin', () => {
    const forecast = new RateForecast();
    expect(forecast.at(0)).toBe(0.05);
    forecast.learn(0, { nB: 80, yB: 40, nC: 1, yC: 1 });
    expect(forecast.at(0)).toBeCloseTo((0.97 * 1 + 40) / (0.97 * 20 + 80), 12);
    expect(forecast.at(1)).toBe(0.05);
  });

  test('stays away from 0 and 1, and learns nothing from a block without the baseline', () => {
    const forecast = new RateForecast();
    forecast.learn(0, { nB: 0, yB: 0, nC: 5, yC: 5 });
    expect(forecast.at(0)).toBe(0.05);
    for (let i = 0; i < 500; i++) forecast.learn(0, { nB: 1000, yB: 0, nC: 0, yC: 0 });
    expect(forecast.at(0)).toBe(1e-4);
    for (let i = 0; i < 900; i++) forecast.learn(0, { nB: 1000, yB: 1000, nC: 0, yC: 0 });
    expect(forecast.at(0)).toBe(0.999);
  });
});

describe('the evidence over blocks', () => {
  const up: Claim = { side: 'above', slope: 1.1, offset: 0, unit: 0.1 };

  test('says nothing before the first block, and nothing from a block with one arm', () => {
    const process = new EProcess(up);
    expect(process.logEvidence).toBeCloseTo(0, 12);
    process.add(0, 0.05, { nB: 0, yB: 0, nC: 10, yC: 9 });
    process.add(0, 0.05, { nB: 10, yB: 0, nC: 0, yC: 0 });
    expect(process.logEvidence).toBeCloseTo(0, 12);
  });

  /**
   * Every path of up to three blocks of (2, 1) subjects on the boundary, weighted by its probability:
   * whether one stops at the first success or goes to the end, the mean of E is at most 1.
   */
  test.each([
    ['to the end', Infinity],
    ['until E reaches 1.5', Math.log(1.5)],
  ])('is fair when one goes on %s', (_, stopAt) => {
    const onsets = [
      { from: 0, weight: 0.55 },
      { from: 1, weight: 0.225 },
    ];
    const walk = (path: { yB: number; yC: number }[]): number => {
      const process = new EProcess(up, onsets);
      const forecast = new RateForecast();
      for (const [bucket, { yB, yC }] of path.entries()) {
        const counts = { nB: 2, nC: 1, yB, yC };
        process.add(bucket, forecast.at(0), counts);
        forecast.learn(0, counts);
      }
      if (path.length === 3 || process.logEvidence >= stopAt) return Math.exp(process.logEvidence);
      let mean = 0;
      for (let yB = 0; yB <= 2; yB++) {
        for (let yC = 0; yC <= 1; yC++) {
          mean += probability(2, yB, 0.4) * probability(1, yC, 0.44) * walk([...path, { yB, yC }]);
        }
      }
      return mean;
    };
    const mean = walk([]);
    expect(mean).toBeLessThanOrEqual(1 + 1e-12);
    expect(mean).toBeGreaterThan(0.9);
  });

  test.each(Object.entries(claimsOf(completePolicy())))(
    'is worth at most 1 on average after one block with all alternatives of %s',
    (_, claim) => {
      let largest = 0;
      for (const [nB, nC] of SIZES.slice(0, 4)) {
        for (const b of [0.002, 0.05, 0.3]) {
          for (const rate of [0.001, 0.04, 0.2, 0.5]) {
            largest = Math.max(largest, meanEvidence(claim, b, [nB, nC], [rate, boundaryAt(claim, rate)]));
          }
        }
      }
      expect(largest).toBeLessThanOrEqual(1 + 1e-9);
      expect(largest).toBeGreaterThan(0.99);
    },
  );

  function meanEvidence(
    claim: Claim,
    b: number,
    [nB, nC]: [number, number],
    rates: [number, number],
  ): number {
    let mean = 0;
    for (let yB = 0; yB <= nB; yB++) {
      for (let yC = 0; yC <= nC; yC++) {
        const process = new EProcess(claim);
        process.add(0, b, { nB, nC, yB, yC });
        const weight = probability(nB, yB, rates[0]) * probability(nC, yC, rates[1]);
        mean += weight * Math.exp(process.logEvidence);
      }
    }
    return mean;
  }

  /** Whoever stops at the peak of a bucket must not see more than alpha promises: every path, on the boundary. */
  test('reaches 1/alpha after any of the blocks at most with probability alpha', () => {
    const reach = (blocks: Counts[], threshold: number): number => {
      const process = new EProcess(up);
      const forecast = new RateForecast();
      for (const [bucket, counts] of blocks.entries()) {
        process.add(bucket, forecast.at(0), counts);
        forecast.learn(0, counts);
      }
      if (process.takePeak() >= Math.log(threshold)) return 1;
      if (blocks.length === 4) return 0;
      let share = 0;
      for (let yB = 0; yB <= 2; yB++) {
        for (let yC = 0; yC <= 2; yC++) {
          const weight = probability(2, yB, 0.3) * probability(2, yC, 0.33);
          share += weight * reach([...blocks, { nB: 2, nC: 2, yB, yC }], threshold);
        }
      }
      return share;
    };
    for (const threshold of [1.2, 2]) expect(reach([], threshold)).toBeLessThanOrEqual(1 / threshold);
    expect(reach([], 1.2)).toBeGreaterThan(0.1);
  });

  test('keeps the highest evidence since it was last asked for, not only the last', () => {
    const process = new EProcess(up);
    process.add(0, 0.1, { nB: 500, nC: 500, yB: 50, yC: 90 });
    const high = process.logEvidence;
    process.add(0, 0.1, { nB: 500, nC: 500, yB: 50, yC: 30 });
    expect(process.logEvidence).toBeLessThan(high);
    expect(process.takePeak()).toBe(high);
    expect(process.takePeak()).toBe(process.logEvidence);
  });

  test('is worth less on average when scores lie between 0 and 1, whatever their distribution', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    const claim = fc.constantFrom(...Object.values(claimsOf(completePolicy())));
    fc.assert(
      fc.property(
        claim,
        share,
        share,
        fc.double({ min: 0.01, max: 0.8, noNaN: true }),
        (claim, u, v, rate) => {
          const canary = boundaryAt(claim, rate);
          let mean = 0;
          for (const [yB, p] of scores(rate, u)) {
            for (const [yC, q] of scores(canary, v)) {
              const process = new EProcess(claim);
              process.add(0, 0.3, { nB: 1, nC: 1, yB, yC });
              mean += p * q * Math.exp(process.logEvidence);
            }
          }
          expect(mean).toBeLessThanOrEqual(1 + 1e-9);
        },
      ),
    );
  });

  /** A distribution of one score with the given mean: a part `spread` of it all or nothing, the rest at the mean. */
  function scores(mean: number, spread: number): [number, number][] {
    return [
      [0, spread * (1 - mean)],
      [mean, 1 - spread],
      [1, spread * mean],
    ];
  }

  test('finds harm that sets in late through its own onset', () => {
    const calm = { nB: 500, nC: 500, yB: 50, yC: 50 };
    const harm = { nB: 500, nC: 500, yB: 50, yC: 75 };
    const evidence = (onsets: typeof FROM_THE_START): number => {
      const process = new EProcess(up, onsets);
      for (let i = 0; i < 60; i++) process.add(i, 0.1, i < 40 ? calm : harm);
      return process.logEvidence;
    };
    const restarted = evidence([
      { from: 0, weight: 0.55 },
      { from: 40, weight: 0.45 },
    ]);
    expect(restarted).toBeGreaterThan(evidence(FROM_THE_START) + 3);
    expect(restarted).toBeGreaterThan(Math.log(1 / 0.03));
  });

  test('an onset that has not come, and weight that was not given, count as 1', () => {
    const process = new EProcess(up, [
      { from: 0, weight: 0.55 },
      { from: 100, weight: 0.2 },
    ]);
    for (let i = 0; i < 50; i++) process.add(i, 0.1, { nB: 500, nC: 500, yB: 50, yC: 40 });
    expect(process.logEvidence).toBeCloseTo(Math.log(0.45), 3);
  });
});

test('logSumExp neither overflows nor vanishes', () => {
  expect(logSumExp([1000, 1000])).toBeCloseTo(1000 + Math.log(2), 10);
  expect(logSumExp([-1000, -1001])).toBeCloseTo(-1000 + Math.log(1 + Math.exp(-1)), 10);
});
