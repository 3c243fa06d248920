/** The part of the warehouse's contract that is about questions, those of the service among them. */
import { describe, expect, test } from '@jest/globals';
import type { StoredEvent } from '#assay/event/envelope.js';
import { DEFAULT_POLICY } from '#assay/event/policy.js';
import { readSeries, readTotals } from '#assay/quality/questions.js';
import { readBuckets } from '#assay/verdict/cells.js';
import type { Warehouse } from '#assay/warehouse/warehouse.js';
import { DAY } from '../histories.js';
import { LOG } from './warehouse.events.js';

/** A warehouse that is empty before each test. */
export interface GivenWarehouse {
  warehouse(): Warehouse;
  append(events: StoredEvent[]): Promise<void>;
  /** The rows of a table. */
  all(table: string, order: string): Promise<object[]>;
}

export function questionsContract(given: GivenWarehouse): void {
  describe('asked', () => {
    test('which prediction was right', async () => {
      await given.append(LOG);
      expect(await given.all('prediction_outcomes', 'prediction_id')).toMatchObject([
        {
          prediction_id: 'a',
          outcome: 'ranked',
          truth_rank: 1,
          true_label: 'B',
          labelled_at: DAY + 300_000,
        },
        { prediction_id: 'b', outcome: 'right', truth_rank: 0, true_label: 'A', corrections: 1 },
        { prediction_id: 'c', outcome: null, truth_rank: null, true_label: null, corrections: 0 },
      ]);
    });

    test('how accurate a version is, by hour and by day', async () => {
      await given.append(LOG);
      const expected = {
        predictor: 'naics',
        version: 'v1',
        predictions: 3,
        labelled: 2,
        correct: 1,
        ranked: 1,
        missed: 0,
        errors: 1,
        accuracy: 0.5,
        coverage: 2 / 3,
      };
      expect(await given.all('accuracy_hourly', 'hour')).toMatchObject([{ hour: DAY, ...expected }]);
      expect(await given.all('accuracy_daily', 'day')).toMatchObject([{ day: DAY, ...expected }]);
      expect(await given.all('coverage', 'day')).toMatchObject([{ day: DAY, labelled: 2, coverage: 2 / 3 }]);
    });

    test('for series and totals', async () => {
      await given.append(LOG);
      const request = { predictor: 'naics', from: DAY, to: DAY + 3_600_000 };
      const expected = {
        version: 'v1',
        predictions: 3,
        labelled: 2,
        correct: 1,
        top3: 2,
        top5: 2,
        reciprocalRanks: 1.5,
        errors: 1,
        latencyP50: 12,
        latencyP95: 12,
      };
      expect(await readSeries(given.warehouse(), { ...request, interval: 'hour' })).toEqual([
        { start: DAY, ...expected },
      ]);
      expect(await readTotals(given.warehouse(), { ...request, version: 'v1' })).toEqual([expected]);
      expect(await readTotals(given.warehouse(), { ...request, version: 'v2' })).toEqual([]);
      expect(await readTotals(given.warehouse(), { ...request, to: DAY })).toEqual([]);
    });

    test("for a canary's buckets", async () => {
      await given.append(LOG);
      const [row, ...others] = await readBuckets(given.warehouse(), {
        predictor: 'naics', baseline: 'v1', canary: 'v2', startedAt: DAY, policy: DEFAULT_POLICY,
      }); // prettier-ignore
      expect(others).toEqual([]);
      expect(row).toEqual({
        version: 'v1', bucket: DAY, predictions: 2, subjects: 2, errors: 1, timedSubjects: 1, slow: 0, newcomers: 2,
        atRisk: [1, 1, 0, 0, 0, 0], right: [0, 0, 0, 0, 0, 0], wrong: [0, 1, 0, 0, 0, 0],
      }); // prettier-ignore
    });

    test("for a canary's scores", async () => {
      const [scored, ...others] = LOG as [StoredEvent, ...StoredEvent[]];
      const payload = scored.payload.replace(/}$/, ',"metadata":{"cost":0.25,"quality":"0.5"}}');
      await given.append([{ ...scored, payload }, ...others]);
      const policy = { ...DEFAULT_POLICY, scores: [{ from: '/cost' }, { from: '/quality' }] };
      const [row] = await readBuckets(given.warehouse(), {
        predictor: 'naics', baseline: 'v1', canary: 'v2', startedAt: DAY, policy,
      }); // prettier-ignore
      expect(row).toMatchObject({ version: 'v1', predictions: 2, errors: 1 });
      expect(row?.scores).toEqual([
        { subjects: 1, sum: 0.25, leftOut: 0 },
        { subjects: 0, sum: 0, leftOut: 1 },
      ]);
    });

    test('with parameters, several at a time', async () => {
      await given.append(LOG);
      const ask = (id: string) =>
        given
          .warehouse()
          .query<{ n: number }>(
            (sql) =>
              `SELECT COUNT(*) AS n FROM ${sql.table('predictions')} WHERE prediction_id = ${sql.param('id')} AND pinned = ${sql.param('pinned')}`,
            { id, pinned: id === 'b' },
          );
      const answers = await Promise.all(['a', 'b', 'c', "'; --", 'a', 'b'].map(ask));
      expect(answers.map(([row]) => row?.n)).toEqual([1, 1, 1, 0, 1, 1]);
    });

    test('a statement that is wrong, says what is wrong and goes on', async () => {
      await expect(
        given.warehouse().query((sql) => `SELECT nonsense FROM ${sql.table('events')}`),
      ).rejects.toThrow(/nonsense/);
      expect((await given.warehouse().head()).events).toBe(0);
    });
  });
}
