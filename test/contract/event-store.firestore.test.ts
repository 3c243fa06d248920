/** The event store's contract over Firestore, and what only a store of many machines can meet. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { eventId, streamKey } from '#assay/store/event-store.firestore.documents.js';
import type { FirestoreEventStore } from '#assay/store/event-store.firestore.js';
import { InvalidPosition, NO_STREAM, StoreUnavailable, TooLarge } from '#assay/store/event-store.js';
import type { FirestoreServer } from '../firestore/emulator.js';
import { chosenServer, freshProject, openStore } from '../firestore/given.js';
import { ProjectionLease } from '#assay/projection/projection-lease.js';
import { Projector } from '#assay/projection/projector.js';
import { verify } from '#assay/projection/rebuild.js';
import { PROJECTION } from '#assay/projection/views.js';
import { DuckDbWarehouse } from '#assay/warehouse/warehouse.duckdb.js';
import { join } from 'node:path';
import { eventually, temporaryFolder } from '../given.js';
import { lockDocument } from '../firestore/lock.js';
import { Proxy } from '../firestore/proxy.js';
import { appended, event, fresh, readLog, receipt, settled } from './event-store.given.js';
import { eventStoreContract } from './event-store.js';

const chosen = chosenServer();

describe(`on ${chosen.name}`, () => {
  let server: FirestoreServer;

  beforeAll(async () => {
    server = await chosen.start();
  }, 60_000);
  afterAll(() => server.stop());

  eventStoreContract(
    'firestore',
    async () => {
      const project = freshProject();
      let store = await openStore(server.host, project);
      return {
        store,
        reopen: async () => {
          await store.close();
          store = await openStore(server.host, project);
          return store;
        },
        cleanUp: () => store.close(),
      };
    },
    { runs: 3, page: 60 },
  );

  describe('event store in Firestore', () => {
    let project: string;
    let wire: Proxy;
    let opened: FirestoreEventStore[];

    beforeEach(async () => {
      project = freshProject();
      wire = await Proxy.to(server.host);
      opened = [];
    });
    afterEach(async () => {
      await Promise.all(opened.map((store) => store.close()));
      await wire.cut();
    });

    async function open(options: Parameters<typeof openStore>[2] = {}): Promise<FirestoreEventStore> {
      const store = await openStore(wire.host, project, options);
      opened.push(store);
      return store;
    }

    const lock = (stream: string, revision: number): Promise<() => Promise<void>> =>
      lockDocument(server.host, project, `events/${eventId(streamKey(stream), revision)}`);

    const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

    test('of writers in several processes that race for a revision, one wins', async () => {
      const stores = await Promise.all([open(), open(), open()]);
      const stream = fresh('stream');
      for (const expected of [NO_STREAM, 0]) {
        const results = await Promise.all(
          [...stores, ...stores].map((store) =>
            store.append(stream, expected, [event(), event()].slice(0, 1)),
          ),
        );
        const kinds = results.map(({ kind }) => kind).sort();
        expect(kinds).toEqual(['appended', ...Array<string>(5).fill('conflict')]);
      }
      for (const store of stores) expect(await store.readStream(stream)).toHaveLength(2);
    });

    test('what another process appended after the stream was read is not overlooked', async () => {
      const [one, other] = await Promise.all([open(), open()]);
      const [first, second] = [event(), event()];
      await appended(one.append('stream', NO_STREAM, [first]));
      await one.readStream('stream');
      const stored = await appended(other.append('stream', 0, [second]));
      expect(await one.append('stream', 0, [event()])).toEqual({ kind: 'conflict', actual: 1 });
      await other.readStream('stream');
      expect(await one.append('stream', 0, [second])).toEqual({ kind: 'duplicate', events: stored });
      const taken = { ...first, payload: '{}' };
      expect(await other.append('stream', 1, [taken])).toEqual({ kind: 'id-taken', id: first.id });
      expect(await one.readStream('stream')).toHaveLength(2);
    });

    test('a key is good for one append, whichever processes are asked', async () => {
      const stores = await Promise.all([open(), open()]);
      const key = fresh('key');
      const results = await Promise.all(
        stores.map((store, index) =>
          store.append(fresh('stream'), NO_STREAM, [event()], receipt({ key, body: `${index}` })),
        ),
      );
      expect(results.map(({ kind }) => kind).sort()).toEqual(['answered', 'appended']);
      const [first, second] = await Promise.all(stores.map((store) => store.receipt(key)));
      expect(first).toEqual(second);
      expect((await stores[0]?.head())?.events).toBe(1);
    });

    test('an append that becomes visible late is emitted in its place, once', async () => {
      const store = await open({ horizonMs: 2_000 });
      const [late, other] = [fresh('late'), fresh('other')];
      const release = await lock(late, 0);
      const waiting = appended(store.append(late, NO_STREAM, [event()]));
      await pause(300);
      const later = await appended(store.append(other, NO_STREAM, [event()]));
      expect(await readLog(store, { settle: false })).toEqual([]);
      await release();
      const stored = [...(await waiting), ...later];
      expect(stored[0]?.recordedAt).toBeLessThan(stored[1]?.recordedAt ?? 0);
      expect(await readLog(store)).toEqual(stored);
      // How late it was is told, so that somebody can be woken before it exceeds the horizon.
      expect(store.skewSeconds()).toBeGreaterThan(0.2);
      expect(store.skewSeconds()).toBeLessThan(20);
    });

    test('one that is later than the horizon is missed by readers, and found by counting', async () => {
      const store = await open({ horizonMs: 100 });
      const [first] = await appended(store.append(fresh('first'), NO_STREAM, [event()]));
      const late = fresh('late');
      const release = await lock(late, 0);
      const waiting = appended(store.append(late, NO_STREAM, [event()]));
      await pause(300);
      const [last] = await appended(store.append(fresh('last'), NO_STREAM, [event()]));
      const read = await readLog(store);
      expect(read).toEqual([first, last]);
      const [from, to] = [first?.position ?? '', last?.position ?? ''];
      expect(await store.countAfter(from, to)).toBe(1);
      await release();
      const [missed] = await waiting;
      expect(await readLog(store, { after: last?.position ?? null })).toEqual([]);
      expect(await store.countAfter(from, to)).toBe(2);
      expect(await readLog(store, { after: from })).toEqual([missed, last]);
    });

    test('an append whose answer is lost is written once, and the retry says so', async () => {
      const store = await open();
      const stream = fresh('stream');
      const given = event();
      wire.loseAnswers();
      const retried = store.append(stream, NO_STREAM, [given]);
      await pause(700);
      wire.reset();
      const result = await retried;
      expect(result.kind).toBe('duplicate');
      expect(await store.readStream(stream)).toMatchObject([given]);
      expect(await store.append(stream, NO_STREAM, [given])).toMatchObject({ kind: 'duplicate' });
    });

    test('an append with a key whose answer is lost gets its own answer again', async () => {
      const store = await open();
      const kept = receipt();
      wire.loseAnswers();
      const retried = store.append(fresh('stream'), NO_STREAM, [event()], kept);
      await pause(700);
      wire.reset();
      expect(await retried).toEqual({ kind: 'answered', receipt: kept });
      expect((await store.head()).events).toBe(1);
    });

    test('while nobody is there every call fails in time, and the next ones succeed', async () => {
      const store = await open({ callMs: 1_000 });
      await appended(store.append('before', NO_STREAM, [event()]));
      await wire.cut();
      const calls = [
        store.append('lost', NO_STREAM, [event()]),
        store.readStream('before'),
        store.receipt('k'),
      ];
      for (const result of await Promise.allSettled(calls)) {
        expect(result).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailable) });
        expect(String((result as PromiseRejectedResult).reason)).toMatch(
          /cannot be reached.*FIRESTORE_EMULATOR_HOST/,
        );
      }
      await wire.restore();
      await pause(1_500);
      expect(await store.readStream('lost')).toEqual([]);
      expect(await appended(store.append('before', 0, [event()]))).toHaveLength(1);
    });

    test('a server that does not answer is given up in time', async () => {
      const store = await open({ callMs: 500 });
      wire.loseAnswers();
      await expect(store.readStream('any')).rejects.toThrow(/did not answer in time/);
      await expect(store.append('any', NO_STREAM, [event()])).rejects.toThrow(StoreUnavailable);
      wire.reset();
      await pause(1_500);
      expect(await store.readStream('any')).toHaveLength(1);
    });

    test('a position of another database is none of this one', async () => {
      const [one] = await appended((await open()).append('stream', NO_STREAM, [event()]));
      project = freshProject();
      const other = await open();
      await appended(other.append('stream', NO_STREAM, [event()]));
      await expect(other.readAll(one?.position ?? '', 10)).rejects.toThrow(InvalidPosition);
      await expect(other.countAfter(one?.position ?? '')).rejects.toThrow(InvalidPosition);
    });

    test('what Firestore cannot keep is refused before it is sent', async () => {
      const store = await open();
      const large = (bytes: number) => event({ payload: JSON.stringify('x'.repeat(bytes)) });
      await expect(store.append('large', NO_STREAM, [large(1_060_000)])).rejects.toThrow(TooLarge);
      const many = Array.from({ length: 11 }, () => large(1_000_000));
      await expect(store.append('many', NO_STREAM, many)).rejects.toThrow(/Send fewer/);
      expect(await appended(store.append('fits', NO_STREAM, [large(1_040_000)]))).toHaveLength(1);
      await settled(store);
      expect((await store.head()).events).toBe(1);
    });

    test('one that is later than the horizon reaches the warehouse all the same', async () => {
      const folder = temporaryFolder();
      const warehouse = await DuckDbWarehouse.open(join(folder.path, 'warehouse.duckdb'), PROJECTION);
      const store = await open({ horizonMs: 100 });
      const timing = { stretchMs: 500, closedMs: 1_000 };
      const projector = new Projector(
        store,
        warehouse,
        new ProjectionLease(store, 'test'),
        console.error,
        timing,
      );
      try {
        await appended(store.append(fresh('first'), NO_STREAM, [event()]));
        const release = await lock('late', 0);
        const waiting = appended(store.append('late', NO_STREAM, [event()]));
        await pause(200);
        await appended(store.append(fresh('last'), NO_STREAM, [event()]));
        projector.start();
        await eventually(
          () => warehouse.head(),
          ({ events }) => events === 2,
        );
        await release();
        await waiting;
        expect((await warehouse.head()).events).toBe(2);
        await eventually(
          () => warehouse.head(),
          ({ events }) => events === 3,
        );
        expect((await verify(store, warehouse)).equal).toBe(true);
      } finally {
        await projector.stop();
        await warehouse.close();
        folder.remove();
      }
    });
  });
});
