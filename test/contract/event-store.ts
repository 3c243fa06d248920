/**
 * Every promise of src/store/event-store.ts as a test. An adapter joins with one line:
 * `eventStoreContract('its name', open)`.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { NewEvent } from '#assay/event/envelope.js';
import { NO_STREAM, type EventStore } from '#assay/store/event-store.js';
import { appended, event, fresh, readLog, type OnEmptyStore, type OpenedStore } from './event-store.given.js';
import { leaseContract } from './event-store.leases.js';
import { type Effort, lifeContract, readingContract, receiptContract } from './event-store.reading.js';

export function eventStoreContract(
  name: string,
  open: () => Promise<OpenedStore>,
  effort: Effort = { runs: 15, page: 12 },
): void {
  describe(`event store contract: ${name}`, () => {
    let opened: OpenedStore;
    let store: EventStore;

    beforeAll(async () => {
      opened = await open();
      store = opened.store;
    });
    afterAll(() => opened.cleanUp());

    const onEmptyStore: OnEmptyStore = async (run) => {
      const empty = await open();
      try {
        await run(empty);
      } finally {
        await empty.cleanUp();
      }
    };

    describe('append', () => {
      test('gives the events back with stream, revision, position and time', async () => {
        const stream = fresh('stream');
        const before = Date.now();
        const events = [
          event({
            causationId: 'cause',
            traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
          }),
          event({ predictor: null, schemaVersion: 7, occurredAt: 1 }),
        ];
        const stored = await appended(store.append(stream, NO_STREAM, events));
        expect(stored).toEqual(
          events.map((given, revision) => ({
            ...given,
            stream,
            revision,
            position: expect.any(String),
            recordedAt: expect.any(Number),
          })),
        );
        for (const { recordedAt } of stored) {
          expect(Number.isInteger(recordedAt)).toBe(true);
          expect(recordedAt).toBeGreaterThanOrEqual(before);
        }
        expect(await store.readStream(stream)).toEqual(stored);
      });

      test('continues a stream from the revision that was expected', async () => {
        const stream = fresh('stream');
        await appended(store.append(stream, NO_STREAM, [event(), event()]));
        const [third] = await appended(store.append(stream, 1, [event()]));
        expect(third?.revision).toBe(2);
      });

      test.each([
        ['a stream that exists must not', 2, NO_STREAM, 1],
        ['the stream is further', 2, 0, 1],
        ['the stream is not as far', 2, 2, 1],
        ['a stream that does not exist must', 0, 0, NO_STREAM],
      ])('answers conflict when %s', async (_, existing, expected, actual) => {
        const stream = fresh('stream');
        const events = Array.from({ length: existing }, () => event());
        if (existing > 0) await appended(store.append(stream, NO_STREAM, events));
        expect(await store.append(stream, expected, [event()])).toEqual({ kind: 'conflict', actual });
        expect(await store.readStream(stream)).toHaveLength(existing);
      });

      test('answers duplicate with what was stored first, whatever revision is expected', async () => {
        const stream = fresh('stream');
        const events = [event(), event()];
        const stored = await appended(store.append(stream, NO_STREAM, events));
        const again = events.map((given) => ({
          ...given,
          occurredAt: 5,
          causationId: 'retry',
          traceparent: 'x',
        }));
        for (const expected of [NO_STREAM, 0, 1, 9]) {
          expect(await store.append(stream, expected, again)).toEqual({ kind: 'duplicate', events: stored });
        }
        expect(await store.append(stream, 1, again.slice(1))).toEqual({
          kind: 'duplicate',
          events: stored.slice(1),
        });
        expect(await store.readStream(stream)).toEqual(stored);
      });

      test.each([
        ['payload', { payload: '{"version":"v2"}' }],
        ['type', { type: 'assay.prediction.failed' }],
      ])('answers id-taken for an id with another %s, whatever revision is expected', async (_, other) => {
        const stream = fresh('stream');
        const first = event();
        const stored = await appended(store.append(stream, NO_STREAM, [first]));
        for (const expected of [NO_STREAM, 0, 4]) {
          const result = await store.append(stream, expected, [event(), { ...first, ...other }]);
          expect(result).toEqual({ kind: 'id-taken', id: first.id });
        }
        expect(await store.readStream(stream)).toEqual(stored);
      });

      test('answers id-taken when only some of the events are there', async () => {
        const stream = fresh('stream');
        const first = event();
        const stored = await appended(store.append(stream, NO_STREAM, [first]));
        expect(await store.append(stream, 0, [event(), first])).toEqual({ kind: 'id-taken', id: first.id });
        expect(await store.readStream(stream)).toEqual(stored);
      });

      test('takes the same id in another stream as another event', async () => {
        const given = event();
        await appended(store.append(fresh('stream'), NO_STREAM, [given]));
        await appended(store.append(fresh('stream'), NO_STREAM, [{ ...given, payload: '{}' }]));
      });

      test('knows every id of a long stream', async () => {
        const stream = fresh('stream');
        const events = Array.from({ length: 120 }, () => event());
        const stored = await appended(store.append(stream, NO_STREAM, events.slice(0, 60)));
        stored.push(...(await appended(store.append(stream, 59, events.slice(60)))));
        for (const index of [0, 31, 32, 33, 119]) {
          const given = events[index] ?? event();
          expect(await store.append(stream, 119, [given])).toEqual({
            kind: 'duplicate',
            events: [stored[index]],
          });
          const other = { ...given, payload: '{}' };
          expect(await store.append(stream, 119, [other])).toEqual({ kind: 'id-taken', id: given.id });
        }
        expect(await store.append(stream, 0, events)).toEqual({ kind: 'duplicate', events: stored });
      });

      test('lets exactly one of the writers that race for a revision win', async () => {
        const stream = fresh('stream');
        for (const expected of [NO_STREAM, 0, 1]) {
          const results = await Promise.all(
            Array.from({ length: 20 }, () => store.append(stream, expected, [event()])),
          );
          const kinds = results.map(({ kind }) => kind);
          expect(kinds.filter((kind) => kind === 'appended')).toHaveLength(1);
          expect(kinds.filter((kind) => kind === 'conflict')).toHaveLength(19);
        }
        expect((await store.readStream(stream)).map(({ revision }) => revision)).toEqual([0, 1, 2]);
      });

      test('stores an event once however many send it at the same time', async () => {
        const stream = fresh('stream');
        const given = event();
        const results = await Promise.all(
          Array.from({ length: 20 }, () => store.append(stream, NO_STREAM, [given])),
        );
        const [stored] = await store.readStream(stream);
        expect(results.filter(({ kind }) => kind === 'appended')).toHaveLength(1);
        expect(results.filter(({ kind }) => kind === 'duplicate')).toHaveLength(19);
        for (const result of results) expect(result).toMatchObject({ events: [stored] });
      });

      test('takes 1 to 500 events with ids of their own', async () => {
        const events = Array.from({ length: 501 }, () => event());
        const stream = fresh('stream');
        await expect(store.append(stream, NO_STREAM, [])).rejects.toThrow('1 to 500');
        await expect(store.append(stream, NO_STREAM, events)).rejects.toThrow('1 to 500');
        const twice = [...events.slice(0, 2), ...events.slice(0, 1)];
        await expect(store.append(stream, NO_STREAM, twice)).rejects.toThrow('same id');
        await expect(store.append(stream, -2, [event()])).rejects.toThrow('expected revision');
        expect(await store.readStream(stream)).toEqual([]);
        expect(await appended(store.append(stream, NO_STREAM, events.slice(0, 500)))).toHaveLength(500);
      });

      test('keeps any text as it is', async () => {
        const text = fc.string({ unit: 'binary', minLength: 1 }).filter((value) => !value.includes('\0'));
        const data = fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }));
        const texts = fc.array(fc.tuple(text, text, data), { minLength: 10, maxLength: 20 });
        await fc.assert(
          fc.asyncProperty(texts, async (values) => {
            const appends = values.map(async ([id, type, value]) => {
              const stream = fresh(`stream-${id}`);
              const given = event({ id, type, predictor: type, payload: JSON.stringify(value) });
              const stored = await appended(store.append(stream, NO_STREAM, [given]));
              expect(stored).toMatchObject([given]);
              expect(await store.readStream(stream)).toEqual(stored);
            });
            await Promise.all(appends);
          }),
          { numRuns: 5 },
        );
      });

      test('keeps large payloads, and pages through them', async () => {
        await onEmptyStore(async ({ store }) => {
          const payload = JSON.stringify({ input: 'ä'.repeat(450_000) });
          const streams = Array.from({ length: 22 }, () => fresh('large'));
          await Promise.all(
            streams.map((stream) =>
              store.append(stream, NO_STREAM, [event({ payload })]).then((r) => r.kind),
            ),
          );
          const events = await readLog(store, { sizes: [10_000] });
          expect(new Set(events.map(({ stream }) => stream))).toEqual(new Set(streams));
          expect(events).toHaveLength(streams.length);
          expect(events.every((stored) => stored.payload === payload)).toBe(true);
        });
      });

      test('answers as a simple model of the log does', async () => {
        const operation = fc.record({
          stream: fc.integer({ min: 0, max: 2 }),
          expected: fc.integer({ min: -1, max: 5 }),
          ids: fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 3 }),
          payload: fc.constantFrom('1', '2'),
        });
        await fc.assert(
          fc.asyncProperty(fc.array(operation, { maxLength: 25 }), async (operations) => {
            const run = fresh('model');
            const model = new Map<string, { id: string; payload: string }[]>();
            for (const { stream, expected, ids, payload } of operations) {
              const events = ids.map((id) => event({ id: `${id}`, payload }));
              const wanted = answerOfModel(model, `${run}-${stream}`, expected, events);
              const result = await store.append(`${run}-${stream}`, expected, events);
              expect(result).toMatchObject(wanted);
            }
            for (const [stream, events] of model)
              expect(await store.readStream(stream)).toMatchObject(events);
          }),
          { numRuns: 40 },
        );
      });
    });

    describe('readStream', () => {
      test('is empty for a stream that does not exist', async () => {
        expect(await store.readStream(fresh('stream'))).toEqual([]);
      });

      test('does not confuse streams whose names begin alike', async () => {
        const stream = fresh('stream');
        await appended(store.append(`${stream}0`, NO_STREAM, [event()]));
        await appended(store.append(stream, NO_STREAM, [event(), event()]));
        expect(await store.readStream(stream)).toHaveLength(2);
      });

      test('gives what follows a revision', async () => {
        const stream = fresh('stream');
        const events = Array.from({ length: 12 }, () => event());
        await appended(store.append(stream, NO_STREAM, events));
        const whole = await store.readStream(stream);
        for (const after of [NO_STREAM, 0, 1, 8, 9, 10]) {
          expect(await store.readStream(stream, after)).toEqual(whole.slice(after + 1));
        }
        expect(await store.readStream(stream, 11)).toEqual([]);
        expect(await store.readStream(fresh('stream'), 3)).toEqual([]);
        // Part of a stream says nothing about the ids in the rest of it.
        const [first] = events as [NewEvent];
        await store.readStream(stream, 5);
        expect(await store.append(stream, 11, [{ ...first, payload: '{"other":1}' }])).toMatchObject({
          kind: 'id-taken',
        });
      });
    });

    readingContract(() => store, onEmptyStore, effort);
    receiptContract(() => store);
    leaseContract(() => store);
    lifeContract(onEmptyStore);
  });
}

/** What the port promises, over arrays. Changes the model when the answer is `appended`. */
function answerOfModel(
  model: Map<string, { id: string; payload: string }[]>,
  stream: string,
  expected: number,
  events: NewEvent[],
): object {
  const there = model.get(stream) ?? [];
  const known = events.map(({ id }) => there.find((one) => one.id === id));
  const other = events.find(
    ({ payload }, index) => known[index] !== undefined && known[index].payload !== payload,
  );
  if (other !== undefined) return { kind: 'id-taken', id: other.id };
  if (!known.includes(undefined)) return { kind: 'duplicate', events: known };
  const taken = known.find((one) => one !== undefined);
  if (taken !== undefined) return { kind: 'id-taken', id: taken.id };
  if (expected !== there.length - 1) return { kind: 'conflict', actual: there.length - 1 };
  model.set(stream, [...there, ...events.map(({ id, payload }) => ({ id, payload }))]);
  return { kind: 'appended' };
}
