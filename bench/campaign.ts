/** Spreads the runs of all rows over processes, and tells how long the rest will take. */
import { type ChildProcess, fork } from 'node:child_process';
import { isKnown, type Result, type Run, RUNS_AT_LEAST } from './bar.js';
import { SCENARIOS, type Scenario } from './scenarios.js';
import type { Reply, Task } from './sim-worker.js';

export interface CampaignOptions {
  /** Runs of every row; undefined lets each row run until its rates are known. */
  runs?: number;
  seed: number;
  workers: number;
  throughEvents: number;
  /** Ends after so long with the runs that were made; undefined waits until all rates are known. */
  minutes?: number;
}

/** Runs in one task: a few seconds. */
const TASK_RUNS = 5;
/** Runs that are added to a row at a time, beyond the least number. */
const STAGE_RUNS = 125;
/** Every row gets so many runs before any gets more: whoever ends it early knows something of each. */
const ROUNDS = [50, 100, 200, RUNS_AT_LEAST, Infinity];
/** What most rows with a bounded rate come to; only for the estimate. */
const RUNS_GUESSED = 700;
/** How often a line is written where there is no terminal, milliseconds. */
const LINE_EVERY_MS = 60_000;
const FIRST_LINE_MS = 10_000;

interface Row {
  place: number;
  scenario: Scenario;
  runs: Run[];
  /** Runs that are to be made, handed out, and made. */
  wanted: number;
  handedOut: number;
  made: number;
  /** Time in which they were made, milliseconds of one process. */
  spentMs: number;
  isDone: boolean;
}

export class Campaign {
  private readonly rows: Row[];
  private readonly checks: Task[];
  private readonly processes: ChildProcess[] = [];
  private readonly differences: string[] = [];
  private readonly startedAt = Date.now();
  private nextLine = this.startedAt + FIRST_LINE_MS;
  private end: { resolve: () => void; reject: (error: Error) => void } | null = null;

  constructor(
    places: readonly number[],
    private readonly options: CampaignOptions,
    private readonly progress: (text: string, isImportant: boolean) => void,
  ) {
    const { runs, seed, throughEvents } = options;
    this.rows = places.map((place) => ({
      place,
      scenario: SCENARIOS[place]!,
      runs: [],
      wanted: runs ?? RUNS_AT_LEAST,
      handedOut: 0,
      made: 0,
      spentMs: 0,
      isDone: false,
    }));
    this.checks = places.flatMap((scenario) =>
      Array.from({ length: throughEvents }, (_, run): Task => {
        return { kind: 'events', scenario, from: run, to: run + 1, seed };
      }),
    );
  }

  /** All rows, in the order in which they were given; and what came out differently through events. */
  async run(): Promise<{ results: Result[]; differences: string[] }> {
    await new Promise<void>((resolve, reject) => {
      this.end = { resolve, reject };
      for (let i = 0; i < this.options.workers; i++) this.startProcess();
    });
    return {
      results: this.rows.map(({ scenario, runs }) => ({ scenario, runs })),
      differences: this.differences,
    };
  }

  /** Ends it before its time. */
  stop(why: string): void {
    this.end?.reject(new Error(`ended by ${why}`));
  }

  close(): void {
    for (const child of this.processes) child.removeAllListeners().kill();
  }

  private startProcess(): void {
    const child = fork(new URL('./sim-worker.js', import.meta.url));
    this.processes.push(child);
    let handedOutAt = 0;
    const handOut = () => {
      const task = this.nextTask();
      handedOutAt = Date.now();
      if (task !== null) child.send(task);
      else this.idle.push(handOut);
    };
    child.on('message', (reply: Reply) => {
      if ('error' in reply) return this.end?.reject(new Error(reply.error));
      this.take(reply, Date.now() - handedOutAt);
      handOut();
      for (const waiting of this.idle.splice(0)) waiting();
    });
    child.on('exit', (code, signal) => {
      this.end?.reject(new Error(`a worker ended with ${signal ?? `code ${code}`}`));
    });
    child.on('error', (error) => this.end?.reject(error));
    handOut();
  }

  private readonly idle: (() => void)[] = [];

  private nextTask(): Task | null {
    const check = this.checks.shift();
    if (check !== undefined) return check;
    if (this.isOver()) return null;
    const row = ROUNDS.map((round) =>
      this.rows.find(({ handedOut, wanted }) => handedOut < Math.min(wanted, round)),
    ).find((one) => one !== undefined);
    if (row === undefined) return null;
    const from = row.handedOut;
    row.handedOut = Math.min(from + TASK_RUNS, row.wanted);
    return { kind: 'runs', scenario: row.place, from, to: row.handedOut, seed: this.options.seed };
  }

  private take({ task, answer }: Extract<Reply, { answer: unknown }>, tookMs: number): void {
    this.differences.push(...answer.differences);
    const row = this.rows.find(({ place }) => place === task.scenario)!;
    if (task.kind === 'runs') {
      answer.runs.forEach((run, i) => (row.runs[task.from + i] = run));
      row.made += answer.runs.length;
      row.spentMs += tookMs;
      if (row.made === row.wanted) this.settle(row);
    }
    this.tell(row);
    const isUnderWay = this.rows.some(({ handedOut, made }) => made < handedOut);
    if (this.rows.every(({ isDone }) => isDone) || (this.isOver() && !isUnderWay)) this.end?.resolve();
  }

  private isOver(): boolean {
    const { minutes } = this.options;
    return minutes !== undefined && Date.now() > this.startedAt + minutes * 60_000;
  }

  /** Whether a row is done does not depend on who made its runs, nor in which order they came in. */
  private settle(row: Row): void {
    row.isDone = this.options.runs !== undefined || isKnown(row);
    if (!row.isDone) row.wanted += STAGE_RUNS;
  }

  private tell(row: Row): void {
    const now = Date.now();
    const isDue = now >= this.nextLine;
    if (isDue) this.nextLine = now + LINE_EVERY_MS;
    const done = this.rows.filter(({ isDone }) => isDone).length;
    const left = Math.ceil(this.msLeft() / 60_000);
    const total = Math.ceil((this.msLeft() + now - this.startedAt) / 60_000);
    const time = now - this.startedAt < FIRST_LINE_MS ? '' : `, about ${left} of ${total} min left`;
    const where = `${row.scenario.name} ${row.made}/${row.wanted}`;
    this.progress(`${done}/${this.rows.length} rows${time}: ${where}`, isDue);
  }

  private msLeft(): number {
    const spent = this.rows.reduce((sum, { spentMs }) => sum + spentMs, 0);
    const size = this.rows.reduce((sum, row) => sum + row.made * sizeOf(row.scenario), 0);
    const msPerSize = size === 0 ? 0 : spent / size;
    const left = this.rows.reduce((sum, row) => {
      const msPerRun = row.made >= TASK_RUNS ? row.spentMs / row.made : msPerSize * sizeOf(row.scenario);
      return sum + msPerRun * this.runsLeft(row);
    }, 0);
    return left / this.options.workers;
  }

  private runsLeft({ scenario, isDone, wanted, made }: Row): number {
    if (isDone) return 0;
    const { rollback = 1, promote = 1 } = scenario.atMost ?? {};
    const isBounded = this.options.runs === undefined && (rollback === 0.05 || promote === 0.05);
    return Math.max(wanted, isBounded ? RUNS_GUESSED : 0) - made;
  }
}

/** About how much work a run is, in predictions. */
function sizeOf({ world, naive }: Scenario): number {
  const buckets = Array.from({ length: world.buckets }, (_, i) =>
    world.predictionsPerBucket(i / world.buckets),
  );
  const predictions = buckets.reduce((sum, each) => sum + each, 0);
  return (predictions + 5000) * (world.askedEvery === null ? 1 : 2.5) * (naive === undefined ? 1 : 1.2);
}
