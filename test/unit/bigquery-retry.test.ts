import { describe, expect, test } from '@jest/globals';
import { mayPass } from '#assay/warehouse/warehouse.bigquery.failure.js';
import { retrying, TimedOut, within } from '#assay/warehouse/warehouse.bigquery.retry.js';

const POLICY = { attempts: 6, firstMs: 100, limitMs: 1000 };

function chance(random: number) {
  const waits: number[] = [];
  return {
    waits,
    random: () => random,
    wait: async (milliseconds: number) => {
      waits.push(milliseconds);
    },
  };
}

const failing = () => Promise.reject(new Error('no'));

describe('trying again', () => {
  test.each([
    [0.999, [99.9, 199.8, 399.6, 799.2, 999]],
    [0.5, [50, 100, 200, 400, 500]],
    [0, [0, 0, 0, 0, 0]],
  ])('waits up to twice as long each time, a share of %d of it', async (random, expected) => {
    const drawn = chance(random);
    await expect(retrying(POLICY, () => true, failing, drawn)).rejects.toThrow('no');
    expect(drawn.waits).toHaveLength(5);
    drawn.waits.forEach((wait, index) => expect(wait).toBeCloseTo(expected[index] ?? NaN, 6));
  });

  test('does not wait for what will not pass', async () => {
    const drawn = chance(0.5);
    await expect(retrying(POLICY, () => false, failing, drawn)).rejects.toThrow('no');
    expect(drawn.waits).toEqual([]);
  });

  test('ends with the first success', async () => {
    let left = 2;
    const work = async () => {
      if (left-- > 0) throw new Error('not yet');
      return 'done';
    };
    const drawn = chance(0.5);
    expect(await retrying(POLICY, () => true, work, drawn)).toBe('done');
    expect(drawn.waits).toEqual([50, 100]);
  });

  test('an answer that does not come is a failure that may pass', async () => {
    const error: unknown = await within(5, 'It', new Promise(() => undefined)).catch((late: unknown) => late);
    expect(error).toBeInstanceOf(TimedOut);
    expect(mayPass(error)).toBe(true);
  });
});
