/**
 * A few runs of the plainest worlds. Bounds are far from what is expected, so that a failure means a broken
 * judge and not an unlucky seed; the real bar is counted by bench/sim.ts.
 */
import { expect, test } from '@jest/globals';
import { judgeWorld, world, type World } from '../../bench/canary-world.js';

const RUNS = 10;

function verdicts(world: World): { promote: number; rollback: number } {
  const count = { promote: 0, rollback: 0 };
  for (let seed = 0; seed < RUNS; seed++) {
    const { verdict } = judgeWorld(world, 1234 + seed);
    if (verdict === 'promote' || verdict === 'rollback') count[verdict]++;
  }
  return count;
}

const HALF = { shares: [0.5], buckets: 120 };

test('an equal canary is promoted and not rolled back', () => {
  const { promote, rollback } = verdicts(world({}, {}, HALF));
  expect(promote).toBeGreaterThanOrEqual(6);
  expect(rollback).toBeLessThanOrEqual(1);
});

test('a worse canary is rolled back and not promoted', () => {
  const { promote, rollback } = verdicts(world({}, { accuracy: 0.7 }, { buckets: 120 }));
  expect(rollback).toBeGreaterThanOrEqual(9);
  expect(promote).toBe(0);
});

test('a better canary is promoted and not rolled back', () => {
  const { promote, rollback } = verdicts(world({ accuracy: 0.6 }, { accuracy: 0.75 }, { buckets: 120 }));
  expect(promote).toBeGreaterThanOrEqual(8);
  expect(rollback).toBe(0);
});

test('a canary at the margin is rarely promoted and rarely rolled back', () => {
  const { promote, rollback } = verdicts(world({}, { accuracy: 0.78 }, HALF));
  expect(promote).toBeLessThanOrEqual(3);
  expect(rollback).toBeLessThanOrEqual(3);
});

test('equal answers to users who confirm less bring no verdict', () => {
  const { promote, rollback } = verdicts(world({}, { confirms: 0.2 }, HALF));
  expect(promote).toBe(0);
  expect(rollback).toBe(0);
});
