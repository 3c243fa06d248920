/** Two processes over one Firestore and one BigQuery: one of them delivers, and the other follows when it is killed. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { BigQueryServer } from '../bigquery/server.js';
import type { FirestoreServer } from '../firestore/emulator.js';
import { freshProject, smallServer } from '../firestore/given.js';
import {
  call,
  eventually,
  type Folder,
  type RunningService,
  startService,
  temporaryFolder,
} from '../given.js';
import { hook, Receiver } from './receiver.js';

/** A lease that nobody renews ends after 30 s, and is looked for each 10 s. */
const TAKEOVER_LIMIT_MS = 75_000;

let folder: Folder;
let receiver: Receiver;
let firestore: FirestoreServer;
let bigquery: BigQueryServer;
let services: RunningService[] = [];

beforeAll(async () => {
  folder = temporaryFolder();
  receiver = await new Receiver().start();
  firestore = await smallServer().start();
  bigquery = await BigQueryServer.start();
  const environment = {
    ...bigquery.environment(),
    METADATA_SERVER_DETECTION: 'none',
    ASSAY_STORE: `firestore:${freshProject()}`,
    FIRESTORE_EMULATOR_HOST: firestore.host,
    ASSAY_WEBHOOKS: JSON.stringify([hook('chat', receiver.url('/'))]),
  };
  services = [await startService(folder.path, environment), await startService(folder.path, environment)];
}, 60_000);

afterAll(async () => {
  await Promise.all(services.map((service) => service.stop()));
  await bigquery.close();
  await firestore.stop();
  await receiver.stop();
  folder.remove();
});

const post = (service: number, path: string, json: object) =>
  call(services[service]?.url ?? '', `/v1/predictors/p/${path}`, { json });

/** Steps that the processes take in turn. */
async function split(from: number, to: number, processes: number[]): Promise<void> {
  for (let i = from; i < to; i++) {
    const answer = await post(processes[i % processes.length] ?? 0, 'traffic', {
      split: { v1: 1 - i / 100, v2: i / 100 },
    });
    expect(answer.status).toBe(200);
  }
}

const shares = (): number[] =>
  receiver.received.map(({ event }) => Math.round((event.data.split?.v2 ?? 0) * 100));

const taken = (count: number) =>
  eventually(
    () => Promise.resolve(shares()),
    (all) => all.length >= count,
    TAKEOVER_LIMIT_MS,
  );

it('ensures that each event is sent once and in order, whichever process took the step and lives', async () => {
  for (const version of ['v1', 'v2']) {
    const backend = { kind: 'constant', candidates: [{ label: version }] };
    expect((await post(0, 'deployments', { version, backend })).status).toBe(201);
  }
  await split(1, 11, [0, 1]);
  expect(await taken(10)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  // The first process began, and holds the lease. One that is killed before it has noted a delivery repeats it.
  await eventually(
    () => call(services[0]?.url ?? '', '/v1/webhooks'),
    ({ body }) => body.webhooks[0].status === 'idle',
  );
  await services[0]?.kill();
  await split(11, 16, [1]);
  expect(await taken(15)).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
  await eventually(
    () => call(services[1]?.url ?? '', '/v1/webhooks'),
    ({ body }) => body.webhooks[0].status === 'idle' && body.webhooks[0].waiting === 0,
  );
}, 150_000);
