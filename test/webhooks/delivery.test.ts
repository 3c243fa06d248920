/** A process that delivers, gets no time for longer than its lease lasts, and goes on after another one. */
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { newEvent, predictorStream } from '#assay/event/envelope.js';
import { TRAFFIC_SPLIT } from '#assay/event/predictor.js';
import { SqliteEventStore } from '#assay/store/event-store.sqlite.js';
import { NO_STREAM } from '#assay/store/event-store.js';
import { readWebhooks } from '#assay/webhooks/settings.js';
import { Webhooks } from '#assay/webhooks/webhooks.js';
import { type Folder, temporaryFolder } from '../given.js';
import { hook, Receiver } from './receiver.js';

let folder: Folder;
let store: SqliteEventStore;
let receiver: Receiver;
let revision: number;

beforeEach(async () => {
  folder = temporaryFolder();
  store = await SqliteEventStore.open(join(folder.path, 'events.db'));
  receiver = await new Receiver().start();
  revision = NO_STREAM;
});

afterEach(async () => {
  jest.restoreAllMocks();
  await receiver.stop();
  await store.close();
  folder.remove();
});

async function step(): Promise<void> {
  const about = { id: randomUUID(), occurredAt: Date.now(), predictor: 'p', causationId: null };
  const event = newEvent(TRAFFIC_SPLIT, about, { split: { v1: 1 } });
  const { kind } = await store.append(predictorStream('p'), revision++, [event]);
  expect(kind).toBe('appended');
}

function webhooks(holder: string): Webhooks {
  const settings = readWebhooks(JSON.stringify([hook('chat', receiver.url('/'))]), []);
  return new Webhooks(settings, store, holder, { attempted: () => {}, onProblem: () => {} });
}

/** The process's own clock goes on, without it having looked at anything. */
function sleep(ms: number): void {
  const now = performance.now.bind(performance);
  jest.spyOn(performance, 'now').mockImplementation(() => now() + ms);
}

const sent = (): number[] => receiver.received.map(({ event }) => event.revision);

it('ensures that it sends nothing again that the other one has sent', async () => {
  const first = webhooks('first');
  const second = webhooks('second');
  await first.start();
  await step();
  await first.look(5_000);
  sleep(31_000);
  await store.releaseLease('webhooks', 'first');
  await second.start();
  await step();
  await step();
  await second.look(5_000);
  await second.stop();
  await step();
  await first.look(5_000);
  expect(sent()).toEqual([0, 1, 2, 3]);
  await first.stop();
});

it('ensures that the attempts that failed still count when nobody else has delivered meanwhile', async () => {
  const first = webhooks('first');
  await first.start();
  receiver.react = () => 500;
  await step();
  await first.look(5_000);
  expect(first.statuses()[0]).toMatchObject({ attempts: 1 });
  sleep(31_000);
  await first.look(5_000);
  expect(first.statuses()[0]?.attempts).toBe(receiver.received.length);
  await first.stop();
});
