/** One process of the simulation: takes stretches of runs of a scenario, and answers with their verdicts. */
import type { Judgement } from '#assay/verdict/verdict.js';
import type { Run, Verdict } from './bar.js';
import { bucketOf, type World } from './canary-world.js';
import { leastAcceptable, NAIVE_RULES } from './naive-rules.js';
import { SCENARIOS, type Scenario } from './scenarios.js';
import { SimWarehouse } from './sim-warehouse.js';

/** Runs [from, to) of one scenario; `kind: events` compares instead of judging. */
export interface Task {
  kind: 'runs' | 'events';
  /** Place in SCENARIOS. */
  scenario: number;
  from: number;
  to: number;
  seed: number;
}

export interface Answer {
  runs: Run[];
  /** What differs between rows made directly and rows derived from events. */
  differences: string[];
}

export type Reply = { task: Task; answer: Answer } | { task: Task; error: string };

/** Through events it takes twenty times as long: a short stretch of the same world tells as much. */
const BUCKETS_THROUGH_EVENTS = 12;

const warehouse = await SimWarehouse.open();

async function answer({ kind, scenario: place, from, to, seed }: Task): Promise<Answer> {
  const scenario = SCENARIOS[place]!;
  const result: Answer = { runs: [], differences: [] };
  for (let run = from; run < to; run++) {
    if (kind === 'runs') result.runs.push(await live(scenario, seed, run));
    else {
      const short: World = { ...scenario.world, buckets: BUCKETS_THROUGH_EVENTS };
      const found = await warehouse.differencesThroughEvents(short, seed, scenario.name, run);
      result.differences.push(...found.map((text) => `${scenario.name}, run ${run}: ${text}`));
    }
  }
  return result;
}

async function live({ name, world, naive }: Scenario, seed: number, run: number): Promise<Run> {
  const before = process.cpuUsage();
  const { judgement, labels } =
    naive === undefined
      ? { judgement: await warehouse.judge(world, seed, name, run), labels: null }
      : await warehouse.judgeWithLabels(world, seed, name, run);
  const rules = labels === null ? [] : NAIVE_RULES.map((rule) => rule.judge(labels, leastAcceptable(world)));
  const { user, system } = process.cpuUsage(before);
  return { judge: verdictOf(judgement), rules, cpuMs: (user + system) / 1000 };
}

function verdictOf(judgement: Judgement): Verdict {
  const { verdict } = judgement;
  const isDecided = verdict === 'promote' || verdict === 'rollback';
  return { verdict: isDecided ? verdict : null, bucket: bucketOf(judgement) };
}

process.on('message', (task: Task) => {
  answer(task).then(
    (result) => process.send!({ task, answer: result } satisfies Reply),
    (error: unknown) =>
      process.send!({
        task,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      } satisfies Reply),
  );
});
// Without the process that started it there is nobody to answer to.
process.on('disconnect', () => process.exit());
