/**
 * Two processes of the service over one Firestore and one BigQuery, both under load, while the one that projects
 * is killed again and again; then everything is held against what was acknowledged.
 */
import { BigQueryServer } from '../bigquery/server.js';
import { type ChosenServer, freshProject } from '../firestore/given.js';
import { call, eventually } from '../given.js';
import { type Book, Caller, chanceOf, emptyBook, LABELS, SERVED } from './caller.js';
import { findingsOf } from './findings.js';
import type { CrashReport } from './run.js';
import { CrashingService } from './service.js';

export interface TwoInstancesRun {
  /** For what the processes keep beside the two: nothing, so far. */
  folder: string;
  /** The Firestore that both use. */
  firestore: ChosenServer;
  seed: number;
  callers: number;
  kills: number;
  /** Requests that are answered in all. */
  answers: number;
  onProgress?: (report: Pick<CrashReport, 'kills' | 'acknowledged' | 'interrupted'>) => void;
}

export interface TwoInstancesReport extends Omit<CrashReport, 'killedAtStart'> {
  /** The Firestore that it ran over. */
  firestore: string;
  predictions: number;
  corrections: number;
}

/** A lease that nobody renews ends after 15 s. */
const TAKEOVER_LIMIT_MS = 60_000;
const CAUGHT_UP_LIMIT_MS = 120_000;

export async function twoInstancesRun(run: TwoInstancesRun): Promise<TwoInstancesReport> {
  const firestore = await run.firestore.start();
  const bigquery = await BigQueryServer.start();
  const environment = {
    ...bigquery.environment(),
    ASSAY_STORE: `firestore:${freshProject()}`,
    ASSAY_SETTLE_SECONDS: '2',
    FIRESTORE_EMULATOR_HOST: firestore.host,
  };
  const services = [1, 2].map(() => new CrashingService(run.folder, environment, true));
  try {
    for (const service of services) await service.start();
    const { url } = await (services[0] as CrashingService).running();
    await deploy(url);
    const book = emptyBook();
    await underLoad(run, services, book);
    await caughtUp(services);
    const { url: alive } = await (services[0] as CrashingService).running();
    const { events, findings } = await findingsOf(alive, book, false);
    const said = book.predictions.reduce((sum, prediction) => sum + prediction.said.length - 1, 0);
    return {
      firestore: run.firestore.name,
      kills: run.kills,
      ...book.counts,
      predictions: book.predictions.length,
      corrections: said,
      events,
      findings,
    };
  } finally {
    await Promise.all(services.map((service) => service.stop()));
    await bigquery.close();
    await firestore.stop();
  }
}

async function deploy(url: string): Promise<void> {
  for (const version of ['v1', 'v2'] as const) {
    const candidates = LABELS[version].map((label) => ({ label }));
    const backend = { kind: 'constant', candidates };
    await call(url, `/v1/predictors/${SERVED}/deployments`, { json: { version, backend } });
  }
  await call(url, `/v1/predictors/${SERVED}/traffic`, { json: { split: { v1: 0.5, v2: 0.5 } } });
}

async function underLoad(
  run: TwoInstancesRun,
  services: readonly CrashingService[],
  book: Book,
): Promise<void> {
  const isDone = (): boolean => book.counts.acknowledged >= run.answers;
  const callers = Array.from({ length: run.callers }, async (_, i) => {
    const service = services[i % services.length] as CrashingService;
    const caller = new Caller(`c${i}`, chanceOf(run.seed * 1009 + i), service, book);
    while (!isDone()) await caller.act();
  });
  const working = Promise.all(callers);
  for (let kills = 0; kills < run.kills; kills++) {
    const next = ((kills + 1) * run.answers) / (run.kills + 1);
    while (book.counts.acknowledged < next) await pause(50);
    await killTheProjector(services);
    run.onProgress?.({ kills: kills + 1, ...book.counts });
  }
  await working;
}

/** Kills it, waits until the other process has taken the projection over, and starts it again. */
async function killTheProjector(services: readonly CrashingService[]): Promise<void> {
  const [a, b] = services as [CrashingService, CrashingService];
  const holder = await projectorAt((await a.running()).url);
  const isA = holder?.split(' ')[1] === String(a.pid);
  const [killed, other] = isA ? [a, b] : [b, a];
  await killed.kill();
  const { url } = await other.running();
  await eventually(
    () => projectorAt(url),
    (now) => now?.split(' ')[1] === String(other.pid),
    TAKEOVER_LIMIT_MS,
  );
  await killed.start();
}

/** The process that runs the projection: its host, its pid, and a name of its own. */
async function projectorAt(url: string): Promise<string | null> {
  const { body } = await call(url, '/v1/status');
  return (body?.projector as string | null | undefined) ?? null;
}

async function caughtUp(services: readonly CrashingService[]): Promise<void> {
  for (const service of services) {
    const running = (await service.running()).url;
    await eventually(
      () => call(running, '/v1/status'),
      ({ body }) => body?.lag?.events === 0,
      CAUGHT_UP_LIMIT_MS,
    );
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
