/** What Firestore refuses, what people are told then, and that every query has its index. */
import { fieldsOfLease } from '#assay/store/event-store.firestore.leases.js';
import { takeLease } from '#assay/store/leases.js';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { status } from '@grpc/grpc-js';
import {
  fieldsOfEvent,
  fieldsOfReceipt,
  NONE,
  streamKey,
} from '#assay/store/event-store.firestore.documents.js';
import { Queries } from '#assay/store/event-store.firestore.queries.js';
import { NO_STREAM, StoreUnavailable, UnusableStore } from '#assay/store/event-store.js';
import { freshProject, openStore } from '../firestore/given.js';
import { missingIndex, readIndexFile } from '../firestore/index-file.js';
import { Memory, startSmallServer, type SmallServer } from '../firestore/small-server.js';
import { appended, event, readLog, receipt } from './event-store.given.js';

describe('a Firestore that refuses', () => {
  let server: SmallServer;

  beforeAll(async () => {
    server = await startSmallServer(readIndexFile());
  });
  afterEach(() => server.fail(null));
  afterAll(() => server.stop());

  test.each([
    ['PERMISSION_DENIED', 'Missing or insufficient permissions.', /roles\/datastore\.user/],
    [
      'NOT_FOUND',
      'The database (default) does not exist',
      /gcloud firestore databases create --project=assay-/,
    ],
    ['UNAUTHENTICATED', 'Request had invalid authentication credentials.', /GOOGLE_APPLICATION_CREDENTIALS/],
    ['FAILED_PRECONDITION', 'The database is in Datastore Mode', /firestore-native/],
  ] as const)('answers %s: opening fails at once, and says what to do', async (name, details, says) => {
    server.fail({ code: status[name], details });
    const error = await openStore(server.host, freshProject()).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StoreUnavailable);
    expect((error as Error).message).toMatch(says);
    expect((error as Error).message).toContain(details);
  });

  test.each(['UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'ABORTED', 'INTERNAL'] as const)(
    'answers %s: calls are tried again, and given up in time',
    async (name) => {
      const store = await openStore(server.host, freshProject(), { callMs: 600 });
      server.fail({ code: status[name], details: 'not now', methods: ['Commit'] });
      await expect(store.append('stream', NO_STREAM, [event()])).rejects.toThrow(StoreUnavailable);
      const append = store.append('stream', NO_STREAM, [event()]);
      server.fail(null);
      expect(await appended(append)).toHaveLength(1);
      await store.close();
    },
  );

  test('misses an index: appends go on, and the projection is told the command that creates it', async () => {
    const poor = await startSmallServer({ indexes: [], fieldOverrides: [] });
    const store = await openStore(poor.host, freshProject());
    await appended(store.append('stream', NO_STREAM, [event()]));
    const error = await store.readAll(null, 10).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StoreUnavailable);
    expect((error as Error).message).toContain(
      '--collection-group=events --field-config=field-path=sh,order=ascending --field-config=field-path=at,order=ascending',
    );
    await store.close();
    await poor.stop();
  });

  test('was written by a newer service: it is left alone', async () => {
    const memory = new Memory();
    const newer = await startSmallServer(readIndexFile(), { memory });
    const project = freshProject();
    await (await openStore(newer.host, project)).close();
    for (const [, document] of memory.documents) document.fields.layout = { integerValue: '2' };
    await expect(openStore(newer.host, project)).rejects.toThrow(UnusableStore);
    await newer.stop();
  });

  test('is asked no more than it takes, for every call is billed', async () => {
    const store = await openStore(server.host, freshProject());
    server.calls();
    await appended(store.append('stream', NO_STREAM, [event()], receipt()));
    expect(server.calls()).toEqual(['Commit']);
    await store.readStream('stream');
    await appended(store.append('stream', 0, [event()]));
    expect(server.calls()).toEqual(['RunQuery', 'Commit']);
    const [, last] = await readLog(store);
    expect(server.calls()).toEqual(['RunQuery']);
    await store.readAll(last?.position ?? null, 1_000);
    await store.countAfter(last?.position ?? null);
    expect(server.calls()).toEqual(['RunQuery', 'RunAggregationQuery']);
    await store.predictors();
    expect(server.calls()).toEqual(['BatchGetDocuments']);
    await store.close();
  });

  test('was stopped and started again: the store goes on', async () => {
    const memory = new Memory();
    const first = await startSmallServer(readIndexFile(), { memory });
    const port = Number(first.host.split(':')[1]);
    const store = await openStore(first.host, freshProject());
    const stored = await appended(store.append('stream', NO_STREAM, [event()]));
    await first.stop();
    const waiting = store.append('stream', 0, [event()]);
    const second = await startSmallServer(readIndexFile(), { memory, port });
    stored.push(...(await appended(waiting)));
    expect(await readLog(store)).toEqual(stored);
    await store.close();
    await second.stop();
  });
});

describe('deploy/firestore/firestore.indexes.json', () => {
  const file = readIndexFile();
  const queries = new Queries('projects/p/databases/d/documents');
  const place = { at: 1, id: '00|s|000000' };

  test('has what every query needs, with every combination of its arguments', () => {
    const stretches = [{}, { after: place }, { until: 1 }, { since: 1 }, { after: place, until: 1 }].concat([
      { since: 1, until: 2 },
      { after: place, upTo: place },
    ] as object[]);
    const every: Record<Exclude<keyof Queries, symbol>, object[]> = {
      stream: [queries.stream(streamKey('s'))],
      log: stretches.map((stretch) => queries.log(stretch, 1)),
      logOf: stretches.flatMap((stretch) => ['p', null].map((p) => queries.logOf(p, stretch, 1))),
      counted: stretches.map((stretch) => queries.counted(stretch)),
      last: [queries.last()],
    };
    const made = Object.getOwnPropertyNames(Queries.prototype).filter(
      (name) => !['constructor', 'stretch', 'cursor', 'reference'].includes(name),
    );
    expect(Object.keys(every).sort()).toEqual(made.sort());
    const missing = Object.values(every)
      .flat()
      .map((query) => missingIndex(query as Parameters<typeof missingIndex>[0], file));
    expect(missing.filter((one) => one !== null)).toEqual([]);
  });

  test('has no index that no query needs', () => {
    for (const index of file.indexes) {
      const without = { ...file, indexes: file.indexes.filter((one) => one !== index) };
      const needed = [queries.log({}, 1), queries.logOf('p', {}, 1), queries.last()];
      expect(needed.some((query) => missingIndex(query, without) !== null)).toBe(true);
    }
  });

  test('takes every field that is written out of the automatic indexes', () => {
    const off = (group: string) =>
      file.fieldOverrides
        .filter(({ collectionGroup, indexes }) => collectionGroup === group && indexes.length === 0)
        .map(({ fieldPath }) => fieldPath)
        .sort();
    const request = { name: 'l', holder: 'h', ttlMs: 1, insists: false, note: null };
    const written = { ...fieldsOfEvent('s', streamKey('s'), 0, event()), at: NONE };
    expect(off('events')).toEqual(Object.keys(written).sort());
    expect(off('receipts')).toEqual(Object.keys(fieldsOfReceipt(receipt(), 0)).sort());
    expect(off('leases')).toEqual(Object.keys(fieldsOfLease(takeLease(null, request, 0))).sort());
    expect(file.fieldOverrides.filter(({ ttl }) => ttl)).toMatchObject([
      { collectionGroup: 'receipts', fieldPath: 'until' },
    ]);
  });

  test('comes with rules that let nobody in', () => {
    const rules = readFileSync('deploy/firestore/firestore.rules', 'utf8');
    expect(rules.match(/allow[^;]*;/g)).toEqual(['allow read, write: if false;']);
  });
});
