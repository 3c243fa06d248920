/** What every warehouse promises, as a suite: one call an adapter. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { StoredEvent } from '#assay/event/envelope.js';
import { EventBuckets, hourOf } from '#assay/warehouse/digest.js';
import { type Warehouse, WarehouseUnavailable } from '#assay/warehouse/warehouse.js';
import { DAY, logOf } from '../histories.js';
import { corrected, LOG, predicted } from './warehouse.events.js';
import { questionsContract } from './warehouse.questions.js';

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

    questionsContract({ warehouse: () => warehouse, append, all });

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
