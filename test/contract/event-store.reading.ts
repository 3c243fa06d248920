/** The part of the event store's contract about reading the log, receipts, and closing; see event-store.ts. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { StoredEvent } from '#assay/event/envelope.js';
import { InvalidPosition, NO_STREAM, type EventStore } from '#assay/store/event-store.js';
import {
  appended,
  event,
  fresh,
  readLog,
  receipt,
  revisionsByStream,
  settled,
  type OnEmptyStore,
} from './event-store.given.js';

/** How much is asked of the test that reads while others write: a slow server takes seconds for a run. */
export interface Effort {
  runs: number;
  /** Largest page, events: each page is a request. */
  page: number;
}

export function readingContract(current: () => EventStore, onEmptyStore: OnEmptyStore, effort: Effort): void {
  describe('readAll', () => {
    test('emits everything exactly once, in order, while others write', async () => {
      const sizes = fc.array(fc.integer({ min: 1, max: effort.page }), {
        minLength: 1,
        maxLength: 5,
      });
      const appends = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 12 });
      await fc.assert(
        fc.asyncProperty(sizes, fc.array(appends, { minLength: 1, maxLength: 5 }), async (pages, writers) => {
          const { position: start } = await current().head();
          const written = new Map<string, number>();
          let writing = true;
          const writes = Promise.all(
            writers.map(async (counts) => {
              const stream = fresh('stream');
              let revision = NO_STREAM;
              for (const count of counts) {
                await appended(
                  current().append(
                    stream,
                    revision,
                    Array.from({ length: count }, () => event()),
                  ),
                );
                revision += count;
              }
              written.set(stream, revision + 1);
            }),
          ).then(() => (writing = false));
          const read: StoredEvent[] = [];
          // The last round starts after the last append was acknowledged, so that it has to see all of them.
          for (let more = true; more;) {
            more = writing;
            const after = read.at(-1)?.position ?? start;
            read.push(...(await readLog(current(), { after, sizes: pages, settle: !more })));
          }
          await writes;
          for (const [stream, revisions] of revisionsByStream(read)) {
            expect(revisions).toEqual(Array.from({ length: written.get(stream) ?? 0 }, (_, index) => index));
          }
          expect(revisionsByStream(read).size).toBe(written.size);
          // A second reader meets the same order, and the store's clock never runs backwards in it.
          expect(await readLog(current(), { after: start })).toEqual(read);
          const times = read.map(({ recordedAt }) => recordedAt);
          expect(times).toEqual([...times].sort((a, b) => a - b));
        }),
        { numRuns: effort.runs },
      );
    }, 60_000);

    test('says where it is and whether that is the end', async () => {
      await onEmptyStore(async ({ store }) => {
        expect(await store.readAll(null, 10)).toEqual({ events: [], next: null, atEnd: true });
        const stored = await appended(store.append('stream', NO_STREAM, [event(), event(), event()]));
        const [first, , third] = stored.map(({ position }) => position);
        await settled(store);
        expect(await store.readAll(null, 1)).toEqual({
          events: stored.slice(0, 1),
          next: first,
          atEnd: false,
        });
        expect(await readLog(store, { after: first ?? null, sizes: [2] })).toEqual(stored.slice(1));
        expect((await store.readAll(null, 4)).atEnd).toBe(true);
        expect(await store.readAll(third ?? null, 1)).toEqual({ events: [], next: third, atEnd: true });
      });
    });

    test('refuses positions that were never given out, and pages that are no page', async () => {
      for (const position of ['', 'yesterday', '-1', '1.5', ' 1', '0x1']) {
        await expect(current().readAll(position, 10)).rejects.toThrow(InvalidPosition);
        await expect(current().countAfter(position)).rejects.toThrow(InvalidPosition);
        await expect(current().countAfter(null, position)).rejects.toThrow(InvalidPosition);
      }
      for (const limit of [0, -1, 1.5, 10_001]) {
        await expect(current().readAll(null, limit)).rejects.toThrow('limit');
      }
    });

    test('keeps to one predictor, and finds a correction that came before its prediction', async () => {
      await onEmptyStore(async ({ store }) => {
        const [mine, other] = [fresh('mine'), fresh('other')];
        const expected: StoredEvent[] = [];
        for (let index = 0; index < 30; index += 1) {
          const predictor = index % 3 === 0 ? mine : other;
          const stream = fresh('prediction');
          const early = index % 2 === 0 ? [event({ predictor: null })] : [];
          const stored = await appended(store.append(stream, NO_STREAM, [...early, event({ predictor })]));
          if (predictor === mine) expected.push(...stored);
        }
        await appended(store.append(fresh('prediction'), NO_STREAM, [event({ predictor: null })]));
        for (const sizes of [[1], [2, 3], [10_000]]) {
          expect(await readLog(store, { sizes, predictor: mine })).toEqual(expected);
        }
        const last = expected.at(-1)?.position ?? null;
        expect(await store.readAll(last, 1, mine)).toEqual({ events: [], next: last, atEnd: true });
        expect(await store.readAll(null, 1, fresh('nobody'))).toEqual({
          events: [],
          next: null,
          atEnd: true,
        });
      });
    });
  });

  test('predictors lists those that have a stream, sorted', async () => {
    await onEmptyStore(async ({ store }) => {
      expect(await store.predictors()).toEqual([]);
      for (const stream of [
        'predictor-b',
        'prediction-x',
        'predictor-a',
        'predictor-a-b',
        'predictors',
        'subject-s',
      ]) {
        await appended(store.append(stream, NO_STREAM, [event({ predictor: null }), event()]));
      }
      expect(await store.predictors()).toEqual(['a', 'a-b', 'b']);
    });
  });

  test('head and countAfter count the log', async () => {
    await onEmptyStore(async ({ store }) => {
      expect(await store.head()).toEqual({ events: 0, position: null });
      expect(await store.countAfter(null)).toBe(0);
      const stored: StoredEvent[] = [];
      for (const count of [1, 5, 2]) {
        stored.push(
          ...(await appended(
            store.append(
              fresh('stream'),
              NO_STREAM,
              Array.from({ length: count }, () => event()),
            ),
          )),
        );
        await store.append('taken', 9, [event()]);
      }
      expect(await store.head()).toEqual({ events: 8, position: stored.at(-1)?.position });
      expect(await store.countAfter(null)).toBe(8);
      for (const [index, { position }] of stored.entries()) {
        expect(await store.countAfter(position)).toBe(7 - index);
        expect(await store.countAfter(null, position)).toBe(index + 1);
        const other = stored[3]?.position ?? '';
        expect(await store.countAfter(other, position)).toBe(Math.max(0, index - 3));
      }
    });
  });
}

export function receiptContract(current: () => EventStore): void {
  describe('receipts', () => {
    test('are kept in the same step as the events, and answered before all else', async () => {
      const stream = fresh('stream');
      const kept = receipt({ body: '' });
      const first = event();
      await appended(current().append(stream, NO_STREAM, [first], kept));
      expect(await current().receipt(kept.key)).toEqual(kept);
      const again = { ...kept, requestHash: 'another', status: 200, body: '{}' };
      for (const given of [first, event(), { ...first, payload: '{}' }]) {
        expect(await current().append(stream, NO_STREAM, [given], again)).toEqual({
          kind: 'answered',
          receipt: kept,
        });
      }
      expect(await current().receipt(kept.key)).toEqual(kept);
      expect(await current().readStream(stream)).toHaveLength(1);
    });

    test('are not kept when nothing was written', async () => {
      const stream = fresh('stream');
      const first = event();
      await appended(current().append(stream, NO_STREAM, [first]));
      const refused = [[event()], [first], [{ ...first, payload: '{}' }]];
      for (const events of refused) {
        const { key, ...rest } = receipt();
        expect((await current().append(stream, NO_STREAM, events, { key, ...rest })).kind).not.toBe(
          'appended',
        );
        expect(await current().receipt(key)).toBeNull();
      }
    });

    test('let one of the requests with the same key through, and give the others its answer', async () => {
      const key = fresh('key');
      const receipts = Array.from({ length: 10 }, (_, index) => receipt({ key, body: `${index}` }));
      const streams = receipts.map(() => fresh('stream'));
      const results = await Promise.all(
        receipts.map((given, index) => current().append(streams[index] ?? '', NO_STREAM, [event()], given)),
      );
      const winner = results.findIndex(({ kind }) => kind === 'appended');
      for (const [index, result] of results.entries()) {
        if (index !== winner) expect(result).toEqual({ kind: 'answered', receipt: receipts[winner] });
        expect(await current().readStream(streams[index] ?? '')).toHaveLength(index === winner ? 1 : 0);
      }
      expect(await current().receipt(key)).toEqual(receipts[winner]);
    });

    test('can be kept by themselves; the first one stands', async () => {
      const kept = receipt({ status: 404, body: '{"text":"Grüße 🚲"}' });
      await current().keepReceipt(kept);
      await current().keepReceipt({ ...kept, status: 200 });
      expect(await current().receipt(kept.key)).toEqual(kept);
      expect(await current().append(fresh('stream'), NO_STREAM, [event()], kept)).toEqual({
        kind: 'answered',
        receipt: kept,
      });
    });

    test('are null for a key that was not used', async () => {
      expect(await current().receipt(fresh('key'))).toBeNull();
    });
  });
}

export function lifeContract(onEmptyStore: OnEmptyStore): void {
  test('a reopened store has everything, and goes on after it', async () => {
    await onEmptyStore(async ({ store, reopen }) => {
      const kept = receipt();
      const stored = await appended(store.append('predictor-a', NO_STREAM, [event(), event()], kept));
      stored.push(...(await appended(store.append('prediction-b', NO_STREAM, [event()]))));
      const head = await store.head();

      const reopened = await reopen();
      expect(await readLog(reopened)).toEqual(stored);
      expect(await reopened.head()).toEqual(head);
      expect(await reopened.predictors()).toEqual(['a']);
      expect(await reopened.receipt(kept.key)).toEqual(kept);
      const later = await appended(reopened.append('prediction-b', 0, [event()]));
      expect(await readLog(reopened, { after: head.position })).toEqual(later);
    });
  });

  test('close lets accepted appends finish, and refuses what comes after', async () => {
    await onEmptyStore(async ({ store, reopen }) => {
      const accepted = Array.from({ length: 50 }, () =>
        appended(store.append(fresh('stream'), NO_STREAM, [event()])),
      );
      const closed = store.close();
      await expect(store.append('late', NO_STREAM, [event()])).rejects.toThrow('closed');
      const stored = (await Promise.all(accepted)).flat();
      await closed;
      await store.close();
      await expect(store.append('late', NO_STREAM, [event()])).rejects.toThrow('closed');
      await expect(store.readStream('late')).rejects.toThrow('closed');
      await expect(store.readAll(null, 1)).rejects.toThrow('closed');
      await expect(store.predictors()).rejects.toThrow('closed');
      await expect(store.head()).rejects.toThrow('closed');
      await expect(store.countAfter(null)).rejects.toThrow('closed');
      await expect(store.receipt('late')).rejects.toThrow('closed');
      await expect(store.keepReceipt(receipt())).rejects.toThrow('closed');
      const byStream = (a: StoredEvent, b: StoredEvent) => (a.stream < b.stream ? -1 : 1);
      const reopened = await reopen();
      expect((await readLog(reopened)).sort(byStream)).toEqual(stored.sort(byStream));
    });
  });
}
