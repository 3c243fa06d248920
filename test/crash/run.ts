/** The service under load, killed at random moments and started again on the same files, then examined. */
import { call } from '../given.js';
import { type Book, Caller, type Chance, chanceOf, emptyBook, LABELS, SERVED } from './caller.js';
import { findingsOf } from './findings.js';
import { CrashingService } from './service.js';

export interface CrashRun {
  /** Where the files are; empty at the start. */
  folder: string;
  /** Draws what callers do and when the service is killed. */
  seed: number;
  callers: number;
  kills: number;
  /** Requests that are answered between two kills, on average: a busy machine lives longer, not less. */
  answersPerLife: number;
  /** No further kill after this long, milliseconds. */
  limitMs?: number;
  onKill?: (report: Pick<CrashReport, 'kills' | 'acknowledged' | 'interrupted'>) => void;
}

export interface CrashReport {
  kills: number;
  /** Further processes that were killed while they started. */
  killedAtStart: number;
  /** Requests that were answered. */
  acknowledged: number;
  /** Requests whose connection broke. */
  interrupted: number;
  /** Requests sent again whose first answer was there already. */
  replayed: number;
  /** Events in the log at the end. */
  events: number;
  /** What is wrong; empty when nothing is. */
  findings: string[];
}

/** Share of the restarts before which one more process is killed while it starts. */
const KILLED_AT_START = 0.4;
/** Share of the lives in which everything is derived anew when the kill comes. */
const REBUILDING = 0.5;
/** Time within which a starting process is killed, milliseconds. */
const START_MS = 1500;
/** Longest wait before a kill beside the one for answers, milliseconds. */
const PAUSE_MS = 20;

export async function crashRun(run: CrashRun): Promise<CrashReport> {
  const service = new CrashingService(run.folder);
  const book = emptyBook();
  await service.start();
  try {
    await deploy((await service.running()).url);
    let stopping = false;
    const callers = Array.from({ length: run.callers }, async (_, i) => {
      const caller = new Caller(`c${i}`, chanceOf(run.seed * 1009 + i), service, book);
      while (!stopping) await caller.act();
    });
    const working = Promise.all(callers);
    // Whoever fails ends the run at once.
    const killed = await Promise.race([killAgainAndAgain(run, service, book), failureOf(working)]);
    stopping = true;
    await working;
    const { events, findings } = await findingsOf((await service.running()).url, book);
    return { ...killed, ...book.counts, events, findings };
  } finally {
    await service.stop();
  }
}

async function deploy(url: string): Promise<void> {
  for (const version of ['v1', 'v2'] as const) {
    const candidates = LABELS[version].map((label) => ({ label }));
    await call(url, `/v1/predictors/${SERVED}/deployments`, {
      json: { version, backend: { kind: 'constant', candidates } },
    });
  }
  await call(url, `/v1/predictors/${SERVED}/traffic`, { json: { split: { v1: 0.5, v2: 0.5 } } });
}

async function killAgainAndAgain(
  run: CrashRun,
  service: CrashingService,
  book: Book,
): Promise<Pick<CrashReport, 'kills' | 'killedAtStart'>> {
  const chance: Chance = chanceOf(run.seed);
  const deadline = Date.now() + (run.limitMs ?? Infinity);
  let kills = 0;
  let killedAtStart = 0;
  while (kills < run.kills && Date.now() < deadline) {
    const { url } = await service.running();
    if (chance() < REBUILDING)
      void call(url, '/v1/rebuilds?fromStore=true', { method: 'POST' }).catch(() => {});
    await answered(chance() * 2 * run.answersPerLife, book);
    // Not always between two answers.
    await pause(chance() * PAUSE_MS);
    await service.kill();
    kills++;
    run.onKill?.({ kills, ...book.counts });
    if (chance() < KILLED_AT_START) {
      await service.startAndKill(chance() * START_MS);
      killedAtStart++;
    }
    await service.start();
  }
  await answered(run.answersPerLife, book);
  return { kills, killedAtStart };
}

async function answered(more: number, { counts }: Book): Promise<void> {
  const until = counts.acknowledged + more;
  while (counts.acknowledged < until) await pause(5);
}

/** Never settles well. */
function failureOf(work: Promise<unknown>): Promise<never> {
  return new Promise((_, reject) => void work.catch(reject));
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
