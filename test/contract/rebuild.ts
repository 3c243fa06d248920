/** Holding a warehouse against the store and rebuilding it, over every adapter. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NewEvent, StoredEvent } from '#assay/event/envelope.js';
import { rebuild, verify } from '#assay/projection/rebuild.js';
import type { EventStore } from '#assay/store/event-store.js';
import { NO_STREAM } from '#assay/store/event-store.js';
import { SqliteEventStore } from '#assay/store/event-store.sqlite.js';
import { hourOf } from '#assay/warehouse/digest.js';
import type { Warehouse } from '#assay/warehouse/warehouse.js';
import type { WarehouseUnderTest } from './warehouse.js';
import { LOG } from './warehouse.events.js';

export function rebuildContract(name: string, fresh: () => Promise<WarehouseUnderTest>): void {
  describe(`the ${name} warehouse beside the store`, () => {
    let folder: string;
    let place: WarehouseUnderTest;
    let stores = 0;
    let store: EventStore;
    let warehouse: Warehouse;
    /** The log as the store gives it back. */
    let log: StoredEvent[];

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'assay-rebuild-'));
      place = await fresh();
      warehouse = await place.open();
    });

    beforeEach(async () => {
      store = await SqliteEventStore.open(join(folder, `${++stores}.db`));
      await warehouse.clear();
      for (const event of LOG) await write(event.stream, event.revision - 1, event);
      log = (await store.readAll(null, 100)).events;
      await warehouse.append(log, log.at(-1)?.position ?? null);
    });

    afterEach(() => store.close());

    afterAll(async () => {
      await warehouse.close();
      await place.remove();
      rmSync(folder, { recursive: true });
    });

    async function write(stream: string, expected: number, event: NewEvent): Promise<void> {
      const { id, type, schemaVersion, occurredAt, predictor, causationId, traceparent, payload } = event;
      const fresh = { id, type, schemaVersion, occurredAt, predictor, causationId, traceparent, payload };
      expect((await store.append(stream, expected, [fresh])).kind).toBe('appended');
    }

    const outcomes = () =>
      warehouse.query((sql) => `SELECT * FROM ${sql.table('prediction_outcomes')} ORDER BY prediction_id`);

    /** Makes the warehouse hold these events of the last hours instead of those of the store. */
    async function replaceEvents(events: StoredEvent[]): Promise<void> {
      const { position } = await warehouse.eventInventory();
      for (const hour of new Set(log.map(({ recordedAt }) => hourOf(recordedAt)))) {
        await warehouse.forgetEvents(hour, position);
      }
      await warehouse.append(events, null);
    }

    describe('verify', () => {
      test('finds a warehouse equal that has taken every event', async () => {
        expect(await verify(store, warehouse)).toEqual({
          equal: true,
          storeEvents: 9,
          warehouseEvents: 9,
          pending: 0,
          differences: [],
        });
      });

      test('counts what the warehouse has yet to take, without calling it a difference', async () => {
        const [event] = LOG;
        if (event === undefined) throw new Error('an event expected');
        await write('prediction-later', NO_STREAM, event);
        expect(await verify(store, warehouse)).toMatchObject({ equal: true, storeEvents: 9, pending: 1 });
      });

      test.each([
        ['is missing', (events: StoredEvent[]) => events.slice(1), 8],
        [
          'is too many',
          (events: StoredEvent[]) => [...events, { ...(events[0] as StoredEvent), stream: 'prediction-x' }],
          10,
        ],
        [
          'was altered',
          ([first, ...others]: StoredEvent[]) => [{ ...(first as StoredEvent), payload: '{}' }, ...others],
          9,
        ],
      ])('shows in which hour an event %s', async (_, change, held) => {
        await replaceEvents(change(log));
        const { equal, storeEvents, warehouseEvents, differences } = await verify(store, warehouse);
        expect({ equal, storeEvents, warehouseEvents }).toEqual({
          equal: false,
          storeEvents: 9,
          warehouseEvents: held,
        });
        expect(differences).toMatchObject([{ kind: 'events', hour: hourOf(log[0]?.recordedAt ?? 0) }]);
      });
    });

    describe('rebuild', () => {
      test('changes nothing where nothing differs', async () => {
        const before = await outcomes();
        const { counts, differences } = await rebuild({ store, warehouse });
        expect(counts).toEqual({ events: 9, predictions: 3, corrections: 4, shadows: 0, deployments: 2 });
        expect(differences).toEqual([]);
        expect(await outcomes()).toEqual(before);
      });

      test('fills in events that are missing, without being asked to read the store', async () => {
        const before = await outcomes();
        await replaceEvents(log.slice(2));
        expect(await outcomes()).not.toEqual(before);
        const { differences } = await rebuild({ store, warehouse });
        expect(differences).toMatchObject([
          { kind: 'events', store: { events: 9 }, warehouse: { events: 7 } },
        ]);
        expect((await verify(store, warehouse)).equal).toBe(true);
        expect(await outcomes()).toEqual(before);
      });

      test('from the store puts altered events right', async () => {
        await replaceEvents(log.map((event) => ({ ...event, payload: event.payload.replace('"A"', '"Z"') })));
        const stages: string[] = [];
        const { differences } = await rebuild({
          store,
          warehouse,
          fromStore: true,
          onMending: async (isMending) => void stages.push(isMending ? 'mending' : 'whole again'),
          onProgress: ({ stage, events }) => stages.push(`${stage} ${events}`),
        });
        expect(differences).toHaveLength(1);
        expect(stages).toEqual([
          'reading the store 9',
          'mending',
          'filling in 9',
          'whole again',
          'deriving 0',
          'swapping 0',
        ]);
        expect((await verify(store, warehouse)).equal).toBe(true);
      });

      test('leaves the checkpoint and what lies behind it to the projector', async () => {
        await warehouse.clear();
        const half = log.slice(0, 5);
        await warehouse.append(half.slice(1), half.at(-1)?.position ?? null);
        await rebuild({ store, warehouse });
        const { checkpoint, events } = await warehouse.head();
        expect(checkpoint).toBe(half.at(-1)?.position);
        expect(events).toBe(5);
        await warehouse.append(log.slice(5), log.at(-1)?.position ?? null);
        expect((await verify(store, warehouse)).equal).toBe(true);
      });

      test('waits for a verification, and the other way round', async () => {
        const results = await Promise.all([
          rebuild({ store, warehouse }),
          verify(store, warehouse),
          rebuild({ store, warehouse }),
        ]);
        expect(results.map(({ differences }) => differences)).toEqual([[], [], []]);
      });

      test('of an empty warehouse is an empty one', async () => {
        await warehouse.clear();
        expect((await rebuild({ store, warehouse, fromStore: true })).counts).toMatchObject({
          events: 0,
          predictions: 0,
        });
      });
    });
  });
}
