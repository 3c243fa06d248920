/** What every warehouse promises, as a suite: one call an adapter. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { StoredEvent } from '#assay/event/envelope.js';
import { readSeries, readTotals } from '#assay/quality/questions.js';
import { readBuckets } from '#assay/verdict/cells.js';
import { DEFAULT_POLICY } from '#assay/event/policy.js';
import { EventBuckets, hourOf } from '#assay/warehouse/digest.js';
import { type Warehouse, WarehouseUnavailable } from '#assay/warehouse/warehouse.js';
import { DAY, logOf } from '../histories.js';
import { corrected, LOG, predicted } from './warehouse.events.js';

export interface WarehouseUnderTest {
  /** Opens it with the service's projection; what was written before is still there. */
  open(): Promise<Warehouse>;
  /** Takes it away for good. */
  remove(): Promise<void>;
}

export function warehouseContract(name: string, fresh: () => Promise<WarehouseUnderTest>): void {
  describe(`the ${name} warehouse`, () => {
    let place: WarehouseUnderTest;
    let warehouse: Warehouse;

    beforeAll(async () => {
      place = await fresh();
      warehouse = await place.open();
    });

    beforeEach(() => warehouse.clear());

    afterAll(async () => {
      await warehouse.close();
      await place.remove();
    });

    const all = <Row = Record<string, unknown>>(table: string, order: string) =>
      warehouse.query<Row>((sql) => `SELECT * FROM ${sql.table(table)} ORDER BY ${order}`);
    const append = (events: StoredEvent[]) => warehouse.append(events, events.at(-1)?.position ?? null);

    describe('taking events', () => {
      test('begins empty', async () => {
        expect(await warehouse.head()).toEqual({ checkpoint: null, events: 0, recordedAt: null });
      });

      test('moves the checkpoint with the events', async () => {
        await append(LOG);
        expect(await warehouse.head()).toEqual({
          checkpoint: '9',
          events: 9,
          recordedAt: LOG.at(-1)?.recordedAt,
        });
      });

      test('moves the checkpoint without events, and leaves it for null', async () => {
        await warehouse.append([], '5');
        expect((await warehouse.head()).checkpoint).toBe('5');
        await warehouse.append(LOG.slice(0, 1), null);
        expect(await warehouse.head()).toMatchObject({ checkpoint: '5', events: 1 });
      });

      test('counts the same events once: again, overlapping, and twice in one batch', async () => {
        const [first] = LOG as [StoredEvent];
        await append([first, first, ...LOG.slice(1, 4)]);
        await append(LOG.slice(2, 6));
        await append(LOG);
        await append(LOG);
        expect((await warehouse.head()).events).toBe(9);
        expect(await all('predictions', 'prediction_id')).toHaveLength(3);
        expect(await all('corrections', 'correction_id')).toHaveLength(4);
        expect(await all('deployments', 'position')).toHaveLength(2);
      });

      test('tells events of two streams with one id apart', async () => {
        await append(
          logOf([predicted('a', ['A']), predicted('b', ['B'])]).map((event) => ({ ...event, id: 'same' })),
        );
        expect(await all('predictions', 'prediction_id')).toHaveLength(2);
      });

      test('takes ten thousand at a time', async () => {
        const many = logOf(
          Array.from({ length: 10_000 }, (_, index) => predicted(`p${index}`, ['A', 'B', 'C'])),
        );
        await append(many);
        expect((await warehouse.head()).events).toBe(10_000);
        const [row] = await warehouse.query<{ n: number; candidates: number }>(
          (sql) =>
            `SELECT COUNT(*) AS n, SUM(${sql.length('candidates')}) AS candidates FROM ${sql.table('predictions')}`,
        );
        expect(row).toEqual({ n: 10_000, candidates: 30_000 });
      });

      test('is there again after closing and opening', async () => {
        await append(LOG);
        const before = await all('prediction_outcomes', 'prediction_id');
        await warehouse.close();
        warehouse = await place.open();
        expect((await warehouse.head()).checkpoint).toBe('9');
        expect(await all('prediction_outcomes', 'prediction_id')).toEqual(before);
        await append(LOG);
        expect((await warehouse.head()).events).toBe(9);
      });
    });

    describe('the derived rows', () => {
      test('of predictions', async () => {
        await append(LOG);
        const [a, b, c] = await all('predictions', 'prediction_id');
        expect(a).toMatchObject({
          prediction_id: 'a',
          predictor: 'naics',
          version: 'v1',
          subject: 's1',
          predicted_at: DAY,
          recorded_at: DAY,
          status: 'ok',
          error_kind: null,
          label: 'A',
          confidence: 0.8,
          candidates: [
            { rank: 0, label: 'A', confidence: 0.8 },
            { rank: 1, label: 'B', confidence: 0.4 },
          ],
          latency_ms: 12,
          pinned: false,
          event_id: 'event-0',
        });
        expect(b).toMatchObject({ pinned: true, subject: null, latency_ms: null });
        expect(c).toMatchObject({ status: 'failed', error_kind: 'timeout', label: null, candidates: [] });
      });

      test('of what challengers answered', async () => {
        const shadow = (version: string, data: object) => ({
          ...predicted('a', []),
          type: 'assay.prediction.shadowed',
          data: { predictionId: 'a', predictor: 'naics', version, ...data },
        });
        await append(
          logOf([
            shadow('v2', { candidates: [{ label: 'B', confidence: 0.7 }, { label: 'A' }], latencyMs: 7.6 }),
            shadow('v3', { error: { kind: 'timeout', message: 'late' }, latencyMs: 2000 }),
          ]),
        );
        const [ok, failed] = await all('shadows', 'version');
        expect(ok).toMatchObject({
          prediction_id: 'a',
          predictor: 'naics',
          version: 'v2',
          shadowed_at: DAY,
          status: 'ok',
          error_kind: null,
          label: 'B',
          confidence: 0.7,
          candidates: [
            { rank: 0, label: 'B', confidence: 0.7 },
            { rank: 1, label: 'A', confidence: null },
          ],
          latency_ms: 8,
        });
        expect(failed).toMatchObject({ version: 'v3', status: 'failed', error_kind: 'timeout', label: null });
        expect(await all('predictions', 'prediction_id')).toEqual([]);
      });

      test('of corrections', async () => {
        await append(LOG);
        const rows = await all('corrections', 'position');
        expect(rows[1]).toMatchObject({
          correction_id: 'c2',
          prediction_id: 'b',
          kind: 'corrected',
          rank: null,
          label: 'A',
          none: false,
          actor: 'anna',
          comment: 'sure',
          corrected_at: DAY + 360_000,
          revision: 1,
        });
        expect(rows[0]).toMatchObject({ rank: 1, label: null });
        expect(rows[2]).toMatchObject({ correction_id: 'c3', none: true });
        expect(rows[3]).toMatchObject({ correction_id: 'c3', kind: 'retracted' });
      });

      test('of deployments', async () => {
        await append(LOG);
        const [deployed, split] = await all('deployments', 'position');
        expect(deployed).toMatchObject({ action: 'deployed', version: 'v1', backend_kind: 'recorded' });
        expect(split).toMatchObject({ action: 'traffic_split', split: '{"v1":1}', version: null });
      });

      test('hold the first answer of a stream, wherever the second arrives', async () => {
        const log = logOf([
          corrected('a', 'c1', { rank: 0 }),
          predicted('a', ['first']),
          predicted('a', ['second']),
          predicted('b', ['first']),
          predicted('a', ['third']),
          predicted('b', ['second']),
        ]);
        await append(log.slice(0, 1));
        await append(log.slice(1, 4));
        await append(log.slice(4));
        expect((await all('predictions', 'prediction_id')).map(({ label }) => label)).toEqual([
          'first',
          'first',
        ]);
        expect((await warehouse.deriveGeneration()).differences).toEqual([]);
      });

      test('keep the text as it was', async () => {
        const labels = [
          '',
          '\u0000',
          'a\u0000b',
          '"quoted"',
          "it's",
          '\\',
          '\n\t',
          'Ünïcödé',
          'Москва',
          '🌻',
          '${x} $1 @a',
          '\u2028\ufeff',
        ];
        await append(logOf([predicted('a', labels), corrected('a', 'c1', { label: 'a\u0000b' })]));
        const [row] = await all<{ candidates: { label: string }[]; truth_rank: number }>(
          'prediction_outcomes',
          'prediction_id',
        );
        expect(row?.candidates.map(({ label }) => label)).toEqual(labels);
        expect(row?.truth_rank).toBe(2);
      });
    });

    describe('asked', () => {
      test('which prediction was right', async () => {
        await append(LOG);
        expect(await all('prediction_outcomes', 'prediction_id')).toMatchObject([
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
        await append(LOG);
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
        expect(await all('accuracy_hourly', 'hour')).toMatchObject([{ hour: DAY, ...expected }]);
        expect(await all('accuracy_daily', 'day')).toMatchObject([{ day: DAY, ...expected }]);
        expect(await all('coverage', 'day')).toMatchObject([{ day: DAY, labelled: 2, coverage: 2 / 3 }]);
      });

      test('for series and totals', async () => {
        await append(LOG);
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
        expect(await readSeries(warehouse, { ...request, interval: 'hour' })).toEqual([
          { start: DAY, ...expected },
        ]);
        expect(await readTotals(warehouse, { ...request, version: 'v1' })).toEqual([expected]);
        expect(await readTotals(warehouse, { ...request, version: 'v2' })).toEqual([]);
        expect(await readTotals(warehouse, { ...request, to: DAY })).toEqual([]);
      });

      test("for a canary's buckets", async () => {
        await append(LOG);
        const [row, ...others] = await readBuckets(warehouse, {
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
        await append([{ ...scored, payload }, ...others]);
        const policy = { ...DEFAULT_POLICY, scores: [{ from: '/cost' }, { from: '/quality' }] };
        const [row] = await readBuckets(warehouse, {
          predictor: 'naics', baseline: 'v1', canary: 'v2', startedAt: DAY, policy,
        }); // prettier-ignore
        expect(row).toMatchObject({ version: 'v1', predictions: 2, errors: 1 });
        expect(row?.scores).toEqual([
          { subjects: 1, sum: 0.25, leftOut: 0 },
          { subjects: 0, sum: 0, leftOut: 1 },
        ]);
      });

      test('with parameters, several at a time', async () => {
        await append(LOG);
        const ask = (id: string) =>
          warehouse.query<{ n: number }>(
            (sql) =>
              `SELECT COUNT(*) AS n FROM ${sql.table('predictions')} WHERE prediction_id = ${sql.param('id')} AND pinned = ${sql.param('pinned')}`,
            { id, pinned: id === 'b' },
          );
        const answers = await Promise.all(['a', 'b', 'c', "'; --", 'a', 'b'].map(ask));
        expect(answers.map(([row]) => row?.n)).toEqual([1, 1, 1, 0, 1, 1]);
      });

      test('a statement that is wrong, says what is wrong and goes on', async () => {
        await expect(warehouse.query((sql) => `SELECT nonsense FROM ${sql.table('events')}`)).rejects.toThrow(
          /nonsense/,
        );
        expect((await warehouse.head()).events).toBe(0);
      });
    });

    describe('compared with the store', () => {
      test('counts and checksums events per hour as the store side does', async () => {
        await append(LOG);
        const buckets = new EventBuckets();
        for (const event of LOG) buckets.add(event);
        const inventory = await warehouse.eventInventory();
        expect(inventory.buckets).toEqual(buckets.list());
        expect(inventory.checkpoint).toBe('9');
      });

      test('notices any change to an event', async () => {
        const [event] = LOG as [StoredEvent];
        const changes: Partial<StoredEvent>[] = [
          { payload: event.payload.replace('garden', 'Garden') },
          { id: 'other' },
          { occurredAt: event.occurredAt + 1 },
          { predictor: null },
          { causationId: 'x' },
          { traceparent: 'x' },
          { type: 'assay.prediction.failed' },
        ];
        const checksums = [{}, ...changes].map((change) => {
          const buckets = new EventBuckets();
          buckets.add({ ...event, ...change });
          return buckets.list()[0]?.checksum;
        });
        expect(new Set(checksums).size).toBe(changes.length + 1);
      });

      test('forgets an hour with its rows, and takes it anew', async () => {
        await append(LOG);
        const before = await warehouse.eventInventory();
        const outcomes = await all('prediction_outcomes', 'prediction_id');
        const hour = hourOf(DAY);
        await warehouse.forgetEvents(hour, before.position);
        const kept = LOG.filter(({ recordedAt }) => hourOf(recordedAt) !== hour);
        expect(kept).toHaveLength(0);
        expect((await warehouse.head()).events).toBe(kept.length);
        expect(await all('predictions', 'prediction_id')).toEqual([]);
        await warehouse.append(LOG, null);
        expect((await warehouse.eventInventory()).buckets).toEqual(before.buckets);
        expect(await all('prediction_outcomes', 'prediction_id')).toEqual(outcomes);
        expect((await warehouse.head()).checkpoint).toBe('9');
      });

      test('forgets nothing younger than the inventory', async () => {
        await append(LOG.slice(0, 3));
        const { position } = await warehouse.eventInventory();
        await append(LOG.slice(3));
        await warehouse.forgetEvents(hourOf(DAY), position);
        expect((await warehouse.head()).events).toBe(6);
      });
    });

    describe('rebuilt', () => {
      test('gives the same rows, with what arrived while it was derived', async () => {
        await append(LOG.slice(0, 5));
        const { rows, differences } = await warehouse.deriveGeneration();
        expect(rows).toEqual({ predictions: 3, corrections: 2, shadows: 0, deployments: 0 });
        expect(differences).toEqual([]);
        await append(LOG.slice(5));
        const before = await all('prediction_outcomes', 'prediction_id');
        await warehouse.swapGeneration();
        expect(await all('prediction_outcomes', 'prediction_id')).toEqual(before);
        expect(await all('deployments', 'position')).toHaveLength(2);
        expect((await warehouse.deriveGeneration()).differences).toEqual([]);
      });

      test('goes on taking and answering meanwhile', async () => {
        const log = logOf(Array.from({ length: 3000 }, (_, index) => predicted(`p${index}`, ['A', 'B'])));
        await append(log.slice(0, 2000));
        const counted = (table: string) =>
          warehouse.query<{ n: number }>((sql) => `SELECT COUNT(*) AS n FROM ${sql.table(table)}`);
        const deriving = warehouse.deriveGeneration();
        const seen: number[] = [];
        for (let from = 2000; from < 3000; from += 250) {
          await append(log.slice(from, from + 250));
          seen.push((await counted('predictions'))[0]?.n ?? 0);
        }
        await deriving;
        await warehouse.swapGeneration();
        expect(seen).toEqual([2250, 2500, 2750, 3000]);
        expect((await counted('predictions'))[0]?.n).toBe(3000);
      });

      test('can be thrown away, and then not put in place', async () => {
        await append(LOG);
        await warehouse.deriveGeneration();
        await warehouse.discardGeneration();
        await expect(warehouse.swapGeneration()).rejects.toThrow(/no derived generation/);
        expect(await all('predictions', 'prediction_id')).toHaveLength(3);
      });
    });

    test('forgets everything when cleared', async () => {
      await append(LOG);
      await warehouse.clear();
      expect(await warehouse.head()).toEqual({ checkpoint: null, events: 0, recordedAt: null });
      expect(await all('prediction_outcomes', 'prediction_id')).toEqual([]);
      await append(LOG);
      expect(await all('prediction_outcomes', 'prediction_id')).toHaveLength(3);
    });

    test('answers nothing once it is closed', async () => {
      await warehouse.close();
      await expect(warehouse.head()).rejects.toThrow(WarehouseUnavailable);
      await warehouse.close();
      warehouse = await place.open();
    });
  });
}
