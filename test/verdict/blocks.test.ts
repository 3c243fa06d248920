import { describe, expect, test } from '@jest/globals';
import { closedBlocks, type BlockWindow } from '#assay/verdict/blocks.js';
import { onsetsOf } from '#assay/verdict/late-onset.js';
import { type BucketRow, firstBucket } from '#assay/verdict/cells.js';

const MINUTE = 60_000;

function row(version: string, bucket: number, n = 10): BucketRow {
  return {
    version,
    bucket,
    predictions: n,
    subjects: n,
    errors: 0,
    timedSubjects: n,
    slow: 0,
    newcomers: n,
    atRisk: [n, n - 2],
    right: [1, 1],
    wrong: [1, 0.5],
  };
}

const WINDOW: BlockWindow = {
  baseline: 'v1',
  canary: 'v2',
  startedAt: 2 * MINUTE,
  splits: [{ at: 0, split: { v1: 0.6, v2: 0.2, v3: 0.2 } }],
  bucketSeconds: 300,
  ageEdgesSeconds: [0, 300, 900],
  asOf: Infinity,
};

describe('closed blocks', () => {
  test('leave out the bucket in which the canary started, and other versions', () => {
    const rows = [row('v1', 0), row('v2', 0), row('v1', 5 * MINUTE), row('v3', 10 * MINUTE)];
    const buckets = closedBlocks(rows, WINDOW).map((block) => block.bucket);
    expect(new Set(buckets)).toEqual(new Set([5 * MINUTE]));
    expect(firstBucket(WINDOW.startedAt, 300)).toBe(5 * MINUTE);
    expect(firstBucket(5 * MINUTE, 300)).toBe(5 * MINUTE);
  });

  test('close at the end of the bucket plus the upper edge of the age, not a moment earlier', () => {
    const rows = [row('v1', 5 * MINUTE), row('v2', 5 * MINUTE)];
    const kinds = (asOf: number): string[] =>
      closedBlocks(rows, { ...WINDOW, asOf }).map((block) =>
        block.kind === 'traffic' ? 'traffic' : `bin ${block.bin}`,
      );
    expect(kinds(10 * MINUTE - 1)).toEqual([]);
    expect(kinds(10 * MINUTE)).toEqual(['traffic']);
    expect(kinds(15 * MINUTE - 1)).toEqual(['traffic']);
    expect(kinds(15 * MINUTE)).toEqual(['traffic', 'bin 0']);
    expect(kinds(25 * MINUTE)).toEqual(['traffic', 'bin 0', 'bin 1']);
  });

  test('come in order of closing, ties by bucket', () => {
    const rows = [5, 10, 15, 20].flatMap((minute) => [
      row('v1', minute * MINUTE),
      row('v2', minute * MINUTE),
    ]);
    const order = closedBlocks(rows.reverse(), WINDOW).map((block) => [
      block.closesAt / MINUTE,
      block.bucket / MINUTE,
      block.kind === 'traffic' ? 'traffic' : block.bin,
    ]);
    expect(order.slice(0, 7)).toEqual([
      [10, 5, 'traffic'],
      [15, 5, 0],
      [15, 10, 'traffic'],
      [20, 10, 0],
      [20, 15, 'traffic'],
      [25, 5, 1],
      [25, 15, 0],
    ]);
  });

  test('an arm without a row has no subjects', () => {
    const [traffic, first] = closedBlocks([row('v1', 5 * MINUTE)], WINDOW);
    expect(traffic!.canary).toMatchObject({ subjects: 0, newcomers: 0 });
    expect(first!.canary).toEqual({ atRisk: 0, right: 0, wrong: 0 });
    expect(first!.baseline).toEqual({ atRisk: 10, right: 1, wrong: 1 });
  });

  test("know the canary's share of both arms, unless the split changed within the bucket", () => {
    const splits = [
      ...WINDOW.splits,
      { at: 10 * MINUTE, split: { v1: 0.5, v2: 0.5 } },
      { at: 17 * MINUTE, split: { v1: 0.9, v2: 0.1 } },
    ];
    const rows = [5, 10, 15, 20].map((minute) => row('v1', minute * MINUTE));
    const shares = closedBlocks(rows, { ...WINDOW, splits })
      .filter((block) => block.kind === 'traffic')
      .map((block) => block.canaryShare);
    expect(shares).toEqual([0.25, 0.5, null, 0.1]);
  });
});

describe('late onsets', () => {
  const plan = { ...WINDOW, startedAt: 0, ramp: null };
  const change = (minute: number, share: number): { at: number; split: Record<string, number> } => ({
    at: minute * MINUTE,
    split: { v1: 1 - share, v2: share },
  });

  test('share .2 equally over the steps of a ramp that are above the share at the start and below 1', () => {
    const splits = [change(0, 0.05), change(60, 0.1), change(121, 0.25)];
    const onsets = onsetsOf({ ...plan, splits, ramp: [0.05, 0.1, 0.25, 0.5, 1] });
    expect(onsets.map(({ from }) => from / MINUTE)).toEqual([0, 60, 125]);
    expect(onsets[0]!.weight).toBeCloseTo(0.8, 12);
    expect(onsets[1]!.weight).toBeCloseTo(0.2 / 3, 12);
    expect(onsets[2]!.weight).toBeCloseTo(0.2 / 3, 12);
  });

  test('take half of what is left for each change by hand', () => {
    const splits = [
      change(0, 0.05),
      ...Array.from({ length: 50 }, (_, i) => change(60 * (i + 1), 0.06 + i / 100)),
    ];
    const onsets = onsetsOf({ ...plan, splits });
    expect(onsets[1]!.weight).toBeCloseTo(0.05, 12);
    expect(onsets[2]!.weight).toBeCloseTo(0.025, 12);
    expect(onsets.reduce((sum, { weight }) => sum + weight, 0)).toBeLessThanOrEqual(1);
  });

  test('do not count what changes nothing for the two arms, nor changes before the first bucket', () => {
    const splits = [
      change(0, 0.05),
      change(2, 0.1),
      { at: 60 * MINUTE, split: { v1: 0.45, v2: 0.05, v3: 0.5 } },
    ];
    expect(onsetsOf({ ...plan, startedAt: MINUTE, splits })).toHaveLength(1);
  });

  test('a step beyond the ramp gets no weight', () => {
    const splits = [change(0, 0.05), change(60, 0.5), change(120, 0.9)];
    expect(onsetsOf({ ...plan, splits, ramp: [0.05, 0.5] }).map(({ weight }) => weight)).toEqual([0.8, 0.2]);
  });

  test('nothing is kept when the ramp has no step left at which the arms could be compared', () => {
    const splits = [change(0, 0.5)];
    expect(onsetsOf({ ...plan, splits, ramp: [0.05, 0.5, 1] })).toEqual([{ from: 0, weight: 1 }]);
  });
});
