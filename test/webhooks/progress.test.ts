/** How far a webhook is, as the log has it: over a change of its settings and of the month. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { newEvent, predictorStream } from '#assay/event/envelope.js';
import { CANARY_STARTED, PROMOTED, TRAFFIC_SPLIT } from '#assay/event/predictor.js';
import { NO_STREAM } from '#assay/store/event-store.js';
import { SqliteEventStore } from '#assay/store/event-store.sqlite.js';
import { Overtaken, Progress } from '#assay/webhooks/progress.js';
import { readWebhooks } from '#assay/webhooks/settings.js';
import { type Folder, temporaryFolder } from '../given.js';
import { hook } from './receiver.js';

let folder: Folder;
let store: SqliteEventStore;
let revision: number;

beforeEach(async () => {
  folder = temporaryFolder();
  store = await SqliteEventStore.open(join(folder.path, 'events.db'));
  revision = NO_STREAM;
});

afterEach(async () => {
  await store.close();
  folder.remove();
});

async function happened(...types: string[]): Promise<void> {
  for (const type of types) {
    const about = { id: randomUUID(), occurredAt: Date.now(), predictor: 'p', causationId: null };
    const { kind } = await store.append(predictorStream('p'), revision++, [newEvent(type, about, {})]);
    expect(kind).toBe('appended');
  }
}

function read(types: string[], now = Date.now()): Promise<Progress> {
  const [webhook] = readWebhooks(JSON.stringify([hook('chat', 'http://127.0.0.1/', { types })]), []);
  if (webhook === undefined) throw new Error('no webhook');
  return Progress.read(store, webhook, now);
}

const due = async (progress: Progress): Promise<number[]> =>
  (await progress.due()).map(({ event }) => event.revision);

it('ensures that a type that is added begins with what happens next', async () => {
  await read([PROMOTED]);
  await happened(TRAFFIC_SPLIT, CANARY_STARTED, TRAFFIC_SPLIT);
  const wider = await read([PROMOTED, TRAFFIC_SPLIT]);
  expect(await due(wider)).toEqual([]);
  await happened(TRAFFIC_SPLIT, PROMOTED);
  expect(await due(wider)).toEqual([3, 4]);
  expect(await due(await read([TRAFFIC_SPLIT, PROMOTED]))).toEqual([3, 4]);
});

it('ensures that what waits when a type is added is still sent', async () => {
  await read([PROMOTED, CANARY_STARTED]);
  await happened(TRAFFIC_SPLIT, CANARY_STARTED, PROMOTED, TRAFFIC_SPLIT);
  expect(await due(await read([PROMOTED, TRAFFIC_SPLIT]))).toEqual([2, 3]);
});

/** Says that the oldest event that waits was delivered, by a clock of its own. */
async function deliver(progress: Progress, occurredAt: number): Promise<void> {
  const [oldest] = await progress.due();
  if (oldest === undefined) throw new Error('nothing is due');
  await progress.keep({ ...progress.doneWith(oldest, 1, null), occurredAt });
}

/** Milliseconds. */
function nextMonth(): number {
  const now = new Date();
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 2);
}

it('ensures that in a new month, too, only one that knows the latest can write', async () => {
  await read([PROMOTED]);
  const [first, second] = [await read([PROMOTED]), await read([PROMOTED])];
  await happened(PROMOTED, PROMOTED);
  await deliver(first, Date.now());
  await expect(deliver(second, nextMonth())).rejects.toThrow(Overtaken);
  expect(await due(await read([PROMOTED]))).toEqual([1]);
  await deliver(first, nextMonth());
  expect(await due(await read([PROMOTED]))).toEqual([]);
});

it('ensures that a clock that is behind writes in the month that was read', async () => {
  await read([PROMOTED]);
  await happened(PROMOTED, PROMOTED);
  await deliver(await read([PROMOTED]), nextMonth());
  await deliver(await read([PROMOTED]), Date.now());
  expect(await due(await read([PROMOTED]))).toEqual([]);
});
