import { describe, expect, test } from '@jest/globals';
import { SampleRatio } from '#assay/verdict/sample-ratio.js';

function choose(n: number, k: number): number {
  return k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k;
}

describe('the sample ratio', () => {
  test.each([0.05, 0.1, 0.5])(
    'has mean exactly 1 when the split of %d is kept, block after block',
    (share) => {
      const buckets = [4, 3];
      let mean = 0;
      for (let first = 0; first <= buckets[0]!; first++) {
        for (let second = 0; second <= buckets[1]!; second++) {
          const ratio = new SampleRatio();
          ratio.add(share, buckets[0]! - first, first);
          ratio.add(share, buckets[1]! - second, second);
          const canary = first + second;
          const weight =
            choose(buckets[0]!, first) *
            choose(buckets[1]!, second) *
            share ** canary *
            (1 - share) ** (buckets[0]! + buckets[1]! - canary);
          mean += weight * Math.exp(ratio.logEvidence);
        }
      }
      expect(mean).toBeCloseTo(1, 12);
    },
  );

  test('grows when the canary gets more, or less, than its share', () => {
    for (const canary of [1300, 700]) {
      const ratio = new SampleRatio();
      for (let i = 0; i < 10; i++) ratio.add(0.1, (10_000 - canary) / 10, canary / 10);
      expect(ratio.logEvidence).toBeGreaterThan(Math.log(100));
      expect(ratio.ratio!.estimate).toBeCloseTo(canary / 1000, 12);
      const [low, high] = ratio.ratio!.interval;
      expect(low < 1 && high > 1).toBe(false);
    }
  });

  test('has nothing to say about a split that leaves one arm without traffic', () => {
    const ratio = new SampleRatio();
    ratio.add(0, 100, 3);
    ratio.add(1, 0, 100);
    expect(ratio.logEvidence).toBeCloseTo(0, 12);
    expect(ratio.ratio).toBeNull();
  });
});
