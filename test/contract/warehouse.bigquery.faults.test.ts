/** BigQuery on a bad day: nothing is lost, nothing counts twice, and it is said what to do. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { StoredEvent } from '#assay/event/envelope.js';
import type { BigQueryWarehouseOptions } from '#assay/warehouse/warehouse.bigquery.limits.js';
import { type Warehouse, WarehouseUnavailable, UnusableWarehouse } from '#assay/warehouse/warehouse.js';
import type { Fault, FaultPlace } from '../bigquery/faults.js';
import { BigQueryServer } from '../bigquery/server.js';
import { logOf } from '../histories.js';
import { IMPATIENT, TaughtWarehouse } from './warehouse.bigquery.given.js';
import { LOG, predicted } from './warehouse.events.js';

let server: BigQueryServer;
let warehouse: Warehouse;

beforeEach(async () => {
  server = await BigQueryServer.start();
  warehouse = open();
});

afterEach(async () => {
  await warehouse.close();
  await server.close();
});

function open(options: Partial<BigQueryWarehouseOptions> = {}, dataset = 'assay'): TaughtWarehouse {
  return new TaughtWarehouse(server, dataset, options);
}

async function openedAgain(options: Partial<BigQueryWarehouseOptions> = {}): Promise<void> {
  await warehouse.close();
  warehouse = open(options);
}

const append = (events: readonly StoredEvent[]) => warehouse.append(events, events.at(-1)?.position ?? null);

async function rowsOf(table: string): Promise<number> {
  const [row] = await warehouse.query<{ n: number }>(
    (sql) => `SELECT COUNT(*) AS n FROM ${sql.table(table)}`,
  );
  return row?.n ?? 0;
}

/** Rows that lie there, counted as they are. */
const lying = async (table: string): Promise<number> =>
  Number((await server.sql(`SELECT COUNT(*) FROM assay.${table}`))[0]?.[0]);

/** Everything of LOG is seen, once. */
async function holdsLogOnce(): Promise<void> {
  expect(await warehouse.head()).toMatchObject({ checkpoint: '9', events: 9 });
  expect(await rowsOf('predictions')).toBe(3);
  expect(await rowsOf('corrections')).toBe(4);
  expect(await rowsOf('deployments')).toBe(2);
  const { buckets } = await warehouse.eventInventory();
  expect(buckets.reduce((sum, { events }) => sum + events, 0)).toBe(9);
  expect((await warehouse.deriveGeneration()).differences).toEqual([]);
}

const refuse = (status: number, reason?: string): Fault => ({
  kind: 'refuse',
  status,
  ...(reason === undefined ? {} : { reason }),
});

const REST_FAULTS: [string, Fault][] = [
  ['429', refuse(429, 'rateLimitExceeded')],
  ['500', refuse(500, 'internalError')],
  ['502 without a reason', refuse(502)],
  ['503', refuse(503, 'backendError')],
  ['a rate limit as 403', refuse(403, 'rateLimitExceeded')],
  ['a quota as 403', refuse(403, 'quotaExceeded')],
  ['a connection that is cut', { kind: 'reset' }],
  ['an answer that is lost', { kind: 'lost' }],
];

/** RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE. */
const WRITE_FAULTS: [string, Fault][] = [
  ['a quota', refuse(8)],
  ['an internal error', refuse(13)],
  ['its absence', refuse(14)],
  ['a connection that is cut', { kind: 'reset' }],
  ['an answer that is lost', { kind: 'lost' }],
];

describe('what passes by itself', () => {
  const places: FaultPlace[] = ['jobs.insert', 'queries.get', 'tables.get', 'datasets.insert'];

  test.each(REST_FAULTS)('%s of the API delays, and changes nothing', async (_, fault) => {
    warehouse = open({ sealAfterEvents: 4 });
    for (const place of places.slice(0, 2)) server.fail(place, fault, 2);
    await append(LOG.slice(0, 5));
    for (const place of places.slice(0, 2)) server.fail(place, fault, 2);
    await append(LOG.slice(5));
    expect(server.unmet()).toBe(0);
    await holdsLogOnce();
    expect(await lying('predictions_sealed_1')).toBe(3);
  });

  test.each(WRITE_FAULTS)('%s of the Storage Write API delays, and changes nothing', async (_, fault) => {
    server.fail('append events', fault, 2);
    server.fail('append assay_projection', fault, 2);
    await append(LOG);
    expect(server.unmet()).toBe(0);
    expect(await lying('events')).toBe(fault.kind === 'lost' ? 27 : 9);
    await holdsLogOnce();
  });

  test('silence is given up', async () => {
    warehouse = open({
      rows: { retry: IMPATIENT.rows?.retry ?? { attempts: 2, firstMs: 1, limitMs: 1 }, answerMs: 400 },
    });
    await warehouse.head();
    server.fail('append events', { kind: 'silent' });
    await append(LOG);
    await holdsLogOnce();
  });

  test('it is tried a bounded number of times, and then somebody is told', async () => {
    await warehouse.head();
    server.fail('append events', refuse(14), 100);
    await expect(append(LOG)).rejects.toThrow(WarehouseUnavailable);
    expect(server.unmet()).toBe(95);
    server.fail('jobs.insert', refuse(503), 100);
    const asked = rowsOf('predictions');
    await expect(asked).rejects.toThrow(/BigQuery cannot answer now/);
    expect(server.unmet()).toBe(97);
    await append(LOG);
    await holdsLogOnce();
  });

  test('what lies there without having been acknowledged counts once, with more behind it', async () => {
    await warehouse.head();
    server.fail('append events', { kind: 'lost' }, 5);
    await expect(append(LOG.slice(0, 4))).rejects.toThrow(WarehouseUnavailable);
    expect(await lying('events')).toBe(20);
    expect((await warehouse.head()).events).toBe(0);
    await openedAgain({ sealAfterEvents: 2 });
    await append(LOG.slice(0, 6));
    await append(LOG.slice(6));
    await holdsLogOnce();
  });

  test('a crash before the checkpoint only delivers again', async () => {
    await append(LOG.slice(0, 3));
    server.fail('append assay_projection', refuse(14), 5);
    await expect(append(LOG.slice(3, 7))).rejects.toThrow(WarehouseUnavailable);
    await openedAgain();
    expect(await warehouse.head()).toMatchObject({ checkpoint: '3', events: 3 });
    await append(LOG.slice(3));
    await holdsLogOnce();
    const positions = await server.sql(
      'SELECT position, COUNT(DISTINCT stream) FROM assay.events GROUP BY 1',
    );
    expect(positions).toHaveLength(9);
  });
});

describe('a seal', () => {
  const seals = () => server.jobs().filter(({ id }) => id.startsWith('assay_seal_predictions'));

  // Of the rows of progress that an append with a seal writes: behind the events, before the seal, behind it.
  test.each([
    ['before it has begun', 1],
    ['when the rows are sealed', 2],
  ])('that breaks off %s is ended by the next process, and seals nothing twice', async (_, after) => {
    await append(LOG.slice(0, 5));
    await openedAgain({ sealAfterEvents: 6 });
    await warehouse.head();
    server.fail('append assay_projection', refuse(14), 5, after);
    await expect(append(LOG.slice(5, 6))).rejects.toThrow(WarehouseUnavailable);
    expect(server.unmet()).toBe(0);
    expect(await lying('predictions_sealed_1')).toBe(after === 2 ? 3 : 0);
    expect(await rowsOf('predictions')).toBe(3);
    await openedAgain({ sealAfterEvents: 6 });
    await append(LOG.slice(6));
    await holdsLogOnce();
    expect(await lying('predictions_sealed_1')).toBe(3);
    expect(seals()).toHaveLength(1);
  });

  test('that failed as a job is done by another, and does not stop the events', async () => {
    await append(LOG.slice(0, 5));
    await server.sql('ALTER TABLE assay.predictions_sealed_1 RENAME TO hidden');
    await openedAgain({ sealAfterEvents: 5 });
    await expect(append(LOG.slice(5, 6))).rejects.toThrow(/missing/);
    await server.sql('ALTER TABLE assay.hidden RENAME TO predictions_sealed_1');
    await openedAgain({ sealAfterEvents: 5 });
    expect(await warehouse.head()).toMatchObject({ checkpoint: '6' });
    await append(LOG.slice(6));
    await holdsLogOnce();
    expect(await lying('predictions_sealed_1')).toBe(3);
  });

  test('reaches back to an event that is older than all before it', async () => {
    await openedAgain({ sealAfterEvents: 1 });
    const late = { ...(LOG[0] as StoredEvent), stream: 'prediction-late', recordedAt: Date.UTC(2020, 1, 1) };
    await append(LOG);
    await openedAgain();
    await warehouse.append([late], '10');
    expect(await rowsOf('predictions')).toBe(4);
    expect((await warehouse.deriveGeneration()).differences).toEqual([]);
  });

  test('leaves no more of the progress than what holds', async () => {
    await openedAgain({ sealAfterEvents: 3 });
    for (const event of LOG) await append([event]);
    expect(await lying('assay_projection')).toBeLessThan(4);
    await holdsLogOnce();
  });
});

describe('a rebuild', () => {
  test('keeps the tables of the generation before for a week', async () => {
    await append(LOG);
    await warehouse.deriveGeneration();
    await warehouse.swapGeneration();
    const comments = await server.sql(
      `SELECT table_name, comment FROM duckdb_tables() WHERE table_name LIKE 'predictions_sealed%' ORDER BY 1`,
    );
    expect(comments).toEqual([
      ['predictions_sealed_1', 'expires in 7 days'],
      ['predictions_sealed_2', null],
    ]);
    await holdsLogOnce();
  });

  test('mends rows that were sealed wrong', async () => {
    await openedAgain({ sealAfterEvents: 1 });
    await append(LOG);
    await server.sql(`DELETE FROM assay.predictions_sealed_1 WHERE prediction_id = 'a'`);
    const { differences } = await warehouse.deriveGeneration();
    expect(differences).toMatchObject([{ table: 'predictions', sealed: { rows: 2 }, derived: { rows: 3 } }]);
    await warehouse.swapGeneration();
    await holdsLogOnce();
  });

  test('fills many events in by load jobs, once where the answer is lost', async () => {
    const many = logOf(Array.from({ length: 600 }, (_, index) => predicted(`p${index}`, ['A'])));
    await warehouse.append([], '600');
    server.fail('upload', { kind: 'lost' });
    await warehouse.append(many, null);
    expect(server.jobs().filter(({ statement }) => statement === 'load')).toHaveLength(1);
    expect(await lying('events')).toBe(600);
    expect(await rowsOf('predictions')).toBe(600);
    const { buckets } = await warehouse.eventInventory();
    expect(buckets.reduce((sum, { events }) => sum + events, 0)).toBe(600);
  });
});

describe('a payload that BigQuery cannot read', () => {
  const [good, bad, ugly] = logOf([predicted('a', ['A']), predicted('b', ['A']), predicted('c', ['A'])]);
  if (good === undefined || bad === undefined || ugly === undefined) throw new Error('three events expected');
  const deep = `${'['.repeat(600)}${']'.repeat(600)}`;
  const events = [
    good,
    { ...bad, payload: '{"version":"v1","candidates":[{"label":"\\ud800"}]}' },
    { ...ugly, payload: `{"version":"v1","input":${deep},"candidates":[]}` },
  ];

  async function isUnreadable(): Promise<void> {
    const unreadable = await warehouse.query(
      (sql) => `SELECT event_id FROM ${sql.table('unreadable_events')} ORDER BY position`,
    );
    expect(unreadable).toEqual([{ event_id: bad?.id }, { event_id: ugly?.id }]);
    expect((await warehouse.head()).events).toBeGreaterThanOrEqual(3);
    const [row] = await warehouse.query<{ n: number }>(
      (sql) => `SELECT COUNT(*) AS n FROM ${sql.table('predictions')} WHERE status = 'ok'`,
    );
    expect(row?.n).toBeGreaterThanOrEqual(1);
  }

  test('stops nothing when it is streamed', async () => {
    await append(events);
    await isUnreadable();
  });

  test('stops nothing when it is loaded', async () => {
    const others = logOf(Array.from({ length: 600 }, (_, index) => predicted(`p${index}`, ['A'])));
    await warehouse.append([...events, ...others], null);
    await isUnreadable();
    expect(await rowsOf('predictions')).toBe(603);
  });
});

test('every job says whose it is, what it may read, and how long it may take', async () => {
  await openedAgain({ sealAfterEvents: 2 });
  await append(LOG);
  await rowsOf('predictions');
  await warehouse.deriveGeneration();
  await warehouse.swapGeneration();
  const jobs = server.jobs();
  expect(jobs.length).toBeGreaterThan(40);
  for (const job of jobs) {
    expect(job.labels).toMatchObject({ service: 'assay', purpose: expect.stringMatching(/^[a-z-]+$/) });
    expect(Number(job.bytesBilled)).toBeGreaterThan(0);
    expect(Number(job.timeoutMs)).toBeGreaterThan(0);
    expect(job.location).toBe('EU');
  }
  const question = jobs.find(({ labels }) => labels.purpose === 'question');
  expect(question?.bytesBilled).toBe(String(2 ** 30));
});

test('a statement that is not in the catalogue is refused', async () => {
  await append(LOG);
  const untaught = Object.getPrototypeOf(TaughtWarehouse.prototype) as Warehouse;
  const asked = untaught.query.call(warehouse, (sql) => `SELECT 1 AS one FROM ${sql.table('events')}`);
  await expect(asked).rejects.toThrow(/the catalogue has no such statement/);
});

test('a view that says something else is put right when the service starts', async () => {
  await append(LOG);
  await warehouse.close();
  const creations = () => server.jobs().filter(({ labels }) => labels.purpose === 'view').length;
  const before = creations();
  warehouse = open();
  await warehouse.head();
  expect(creations()).toBe(before);
  await warehouse.close();
  server.forgetView('assay.coverage');
  warehouse = open();
  await holdsLogOnce();
  expect(creations()).toBe(before + 1);
});

describe('what people have to put right', () => {
  const refusal = async (): Promise<Error> =>
    warehouse.head().then(
      () => new Error('it was opened'),
      (error: Error) => error,
    );

  test('a project that is not there', async () => {
    await warehouse.close();
    warehouse = new TaughtWarehouse(
      Object.assign(Object.create(server) as BigQueryServer, { project: 'wrong-project' }),
      'assay',
    );
    const error = await refusal();
    expect(error).toBeInstanceOf(WarehouseUnavailable);
    expect(error.message).toMatch(/no Google Cloud project "wrong-project".*ASSAY_WAREHOUSE/);
  });

  test('an account that may not create the dataset', async () => {
    server.deny('datasets.insert');
    const error = await refusal();
    expect(error).toBeInstanceOf(WarehouseUnavailable);
    expect(error.message).toContain('bq mk --location=EU --dataset test-project:assay');
    expect(error.message).toMatch(/roles\/bigquery\.dataEditor/);
    server.allow();
    await append(LOG);
    await holdsLogOnce();
  });

  test('an account that may not run jobs', async () => {
    server.deny('jobs.insert');
    expect((await refusal()).message).toMatch(/roles\/bigquery\.jobUser on the project test-project/);
  });

  test('a dataset of another application', async () => {
    await warehouse.head();
    await server.sql('DROP TABLE assay.schema_migrations');
    await openedAgain();
    const error = await refusal();
    expect(error).toBeInstanceOf(UnusableWarehouse);
    expect(error.message).toMatch(/test-project\.assay holds .*events.*ASSAY_WAREHOUSE/);
  });

  test('a dataset of a newer service', async () => {
    await warehouse.head();
    await server.sql(`INSERT INTO assay.schema_migrations VALUES ('0099-tomorrow', now())`);
    await openedAgain();
    const error = await refusal();
    expect(error).toBeInstanceOf(UnusableWarehouse);
    expect(error.message).toMatch(/0099-tomorrow.*upgrade/);
  });

  test('a dataset of an older service, whose predictions had no metadata', async () => {
    const [first, ...others] = LOG as [StoredEvent, ...StoredEvent[]];
    const payload = first.payload.replace(/}$/, ',"metadata":{"cost":0.25}}');
    await append([{ ...first, payload }, ...others]);
    await warehouse.deriveGeneration();
    await warehouse.swapGeneration();
    const all = (): Promise<unknown[]> =>
      warehouse.query((sql) => `SELECT * FROM ${sql.table('predictions')} ORDER BY position`);
    const before = await all();
    expect(before).toContainEqual(expect.objectContaining({ metadata: '{"cost":0.25}' }));
    await server.sql('ALTER TABLE assay.predictions_sealed_2 DROP COLUMN metadata');
    await server.sql(`DELETE FROM assay.schema_migrations WHERE name = '0002-metadata-of-predictions'`);
    await openedAgain();
    expect(await all()).toEqual(before);
    expect((await warehouse.deriveGeneration()).differences).toEqual([]);
  });

  test('a question that would read too much', async () => {
    await append(LOG);
    server.fail('queries.get', {
      ...refuse(400, 'bytesBilledLimitExceeded'),
      message: 'Query exceeded limit',
    } as Fault);
    await expect(rowsOf('predictions')).rejects.toThrow(/ASSAY_BIGQUERY_MAX_GIB/);
  });

  test('the dataset is deleted while the service runs', async () => {
    await append(LOG.slice(0, 5));
    await server.forgetDataset('assay');
    await expect(append(LOG.slice(5))).rejects.toThrow(/missing/);
    expect(await warehouse.head()).toEqual({ checkpoint: null, events: 0, recordedAt: null });
    await append(LOG);
    await holdsLogOnce();
  });
});
