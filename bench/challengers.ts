/** Counts the verdicts on challengers over many runs of every scenario, and writes the table of docs/challengers.md. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { bucketOf, world, type World } from './canary-world.js';
import { SHADOW_SCENARIOS, type ShadowScenario } from './challenger-scenarios.js';
import { judgeShadow, labelsUntil, liveInShadow, mcNemar } from './challenger-world.js';
import { SimWarehouse } from './sim-warehouse.js';

const HELP = `Simulates challengers and counts the verdicts on them.

  npm run sim:challengers -- [--runs 2000] [--seed 1] [--only TEXT] [--jobs N] [--write]

  --runs N     runs of every scenario (2000: a rate of .05 is known to one percent)
  --seed N     the same seed gives the same table, whatever the number of jobs
  --only TEXT  only scenarios whose name contains it
  --jobs N     how many runs at once (default: the number of cores)
  --write      puts the tables into docs/challengers.md

Exit code 1 when a bound is missed beyond chance (the 95 % Wilson interval lies outside).`;

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

/** One run: labels counted until each verdict, null without it; and what McNemar's test would have said. */
interface Run {
  ready: number | null;
  worse: number | null;
  better: boolean;
  worseByMcNemar: boolean;
}

function runOnce({ world, labelOdds }: ShadowScenario, seed: number): Run {
  const rows = liveInShadow(world, seed);
  const { verdict, decidedAt } = judgeShadow(world, rows, { labelOdds });
  const labels = decidedAt === null ? null : labelsUntil(rows, decidedAt, world);
  const naive = mcNemar(rows);
  return {
    ready: verdict === 'ready' ? labels : null,
    worse: verdict === 'worse' ? labels : null,
    better: naive.better,
    worseByMcNemar: naive.worse,
  };
}

interface Piece {
  scenario: number;
  from: number;
  to: number;
  seed: number;
}

/** Runs handed to a worker at a time. */
const PIECE = 100;

async function runAll(scenarios: readonly number[], runs: number, seed: number): Promise<Run[][]> {
  const pieces: Piece[] = scenarios.flatMap((scenario) =>
    Array.from({ length: Math.ceil(runs / PIECE) }, (_, k) => ({
      scenario,
      from: k * PIECE,
      to: Math.min(runs, (k + 1) * PIECE),
      seed,
    })),
  );
  const results = new Map(scenarios.map((scenario) => [scenario, [] as Run[]]));
  let [next, done] = [0, 0];
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL(import.meta.url), { workerData: 'runs', argv: process.argv.slice(2) });
    for (let piece = pieces[next++]; piece !== undefined; piece = pieces[next++]) {
      const answer = once(worker, 'message') as Promise<[Run[]]>;
      worker.postMessage(piece);
      results.get(piece.scenario)!.push(...(await answer)[0]);
      progress(++done, pieces.length);
    }
    await worker.terminate();
  };
  await Promise.all(Array.from({ length: Math.max(1, Number(options.jobs)) }, work));
  return scenarios.map((scenario) => results.get(scenario)!);
}

/** One line that moves on a terminal; elsewhere a line at each tenth. */
function progress(done: number, all: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${done}/${all}${done === all ? '\n' : ''}`);
  else if (Math.floor((10 * done) / all) > Math.floor((10 * (done - 1)) / all))
    console.error(`${done}/${all}`);
}

/** 95 % interval of a share (Wilson 1927). */
function wilson(hits: number, runs: number): [number, number] {
  const z2 = 1.96 ** 2;
  const centre = (hits + z2 / 2) / (runs + z2);
  const half = (1.96 / (runs + z2)) * Math.sqrt((hits * (runs - hits)) / runs + z2 / 4);
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

function shareWithLabels(labels: readonly (number | null)[]): string {
  const reached = labels.filter((count) => count !== null);
  const [low, high] = wilson(reached.length, labels.length);
  const rate = (reached.length / labels.length).toFixed(3);
  const after = reached.length === 0 ? '' : ` @${medianOf(reached)}`;
  return `${rate} [${low.toFixed(3)}, ${high.toFixed(3)}]${after}`;
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

const VERDICTS = ['ready', 'worse'] as const;

function asked({ atMost = {}, atLeast = {} }: ShadowScenario): string {
  const texts = VERDICTS.flatMap((verdict) => [
    ...(atMost[verdict] === undefined ? [] : [`${verdict} at most ${atMost[verdict]}`]),
    ...(atLeast[verdict] === undefined ? [] : [`${verdict} at least ${atLeast[verdict]}`]),
  ]);
  return texts.join(', ');
}

function isMissed({ atMost = {}, atLeast = {} }: ShadowScenario, runs: readonly Run[]): boolean {
  return VERDICTS.some((verdict) => {
    const [low, high] = wilson(runs.filter((run) => run[verdict] !== null).length, runs.length);
    return low > (atMost[verdict] ?? 1) || high < (atLeast[verdict] ?? 0);
  });
}

function scenarioRow(scenario: ShadowScenario, runs: readonly Run[]): string[] {
  const { name, labelOdds } = scenario;
  const rate = (of: (run: Run) => boolean): string => (runs.filter(of).length / runs.length).toFixed(2);
  return [
    name,
    labelOdds.join(' to '),
    shareWithLabels(runs.map(({ ready }) => ready)),
    shareWithLabels(runs.map(({ worse }) => worse)),
    `${rate(({ better }) => better)} / ${rate(({ worseByMcNemar }) => worseByMcNemar)}`,
    asked(scenario) + (isMissed(scenario, runs) ? ' MISSED' : ''),
  ];
}

const HEAD = ['scenario', 'labelOdds', 'ready', 'worse', 'McNemar at each look: better / worse', 'asked'];

/** The same releases by a canary: all labels that users give until its verdict. */
const CANARIES: { name: string; world: (share: number) => World }[] = [
  { name: 'equal .80', world: (share) => world({}, {}, { shares: [share] }) },
  { name: 'better .80/.84', world: (share) => world({}, { accuracy: 0.84 }, { shares: [share] }) },
  { name: 'worse .80/.75', world: (share) => world({}, { accuracy: 0.75 }, { shares: [share] }) },
  { name: 'worse .80/.70', world: (share) => world({}, { accuracy: 0.7 }, { shares: [share] }) },
];

/** Runs of each canary: enough for a median. */
const CANARY_RUNS = 20;

async function canaryRow(
  { name, world: worldAt }: (typeof CANARIES)[number],
  seed: number,
): Promise<string[]> {
  const cells: string[] = [];
  for (const share of [0.1, 0.5]) cells.push(await labelsToVerdict(name, worldAt(share), seed));
  return [name, ...cells];
}

async function labelsToVerdict(name: string, lived: World, seed: number): Promise<string> {
  const warehouse = await SimWarehouse.open();
  const reached: number[] = [];
  for (let run = 0; run < CANARY_RUNS; run++) {
    const bucket = bucketOf(await warehouse.judge(lived, seed, name, run));
    if (bucket !== null) reached.push(bucket);
  }
  warehouse.close();
  if (reached.length < CANARY_RUNS / 2) return 'none in half of the runs';
  const { baseline, predictionsPerBucket } = lived;
  const accuracy = baseline.accuracy(0);
  const labels =
    predictionsPerBucket(0) * (accuracy * baseline.confirms + (1 - accuracy) * baseline.corrects);
  return `${Math.round((labels * medianOf(reached)) / 100) * 100}`;
}

function markdown(rows: readonly (readonly string[])[]): string {
  const [head, ...rest] = rows;
  return [head!, head!.map(() => '---'), ...rest].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

const DOCUMENT = 'docs/challengers.md';

function write(name: string, table: string): void {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const text = readFileSync(DOCUMENT, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${DOCUMENT} has no place marked ${begin} ... ${end}`);
  writeFileSync(DOCUMENT, `${text.slice(0, from + begin.length)}\n\n${table}\n\n${text.slice(to)}`);
}

async function main(): Promise<void> {
  if (options.help) return console.log(HELP);
  const [runs, seed] = [Number(options.runs), Number(options.seed)];
  const started = Date.now();
  const chosen = SHADOW_SCENARIOS.map((_, index) => index).filter((index) =>
    SHADOW_SCENARIOS[index]!.name.includes(options.only),
  );
  const results = await runAll(chosen, runs, seed);
  const rows = chosen.map((index, k) => scenarioRow(SHADOW_SCENARIOS[index]!, results[k]!));
  const verdicts = markdown([HEAD, ...rows]);
  console.log(verdicts);
  const canaries = markdown([
    ['release', 'canary at 10 %', 'canary at 50 %'],
    ...(options.only === '' ? await Promise.all(CANARIES.map((canary) => canaryRow(canary, seed))) : []),
  ]);
  console.log(`\n${canaries}`);
  if (options.write) {
    const footing = `${runs} runs a scenario, \`npm run sim:challengers -- --runs ${runs} --seed ${seed} --write\`.`;
    write('verdicts', `${verdicts}\n\n${footing}`);
    write('canaries', canaries);
  }
  console.log(`\n${runs} runs a scenario, seed ${seed}, ${((Date.now() - started) / 1000).toFixed(0)} s`);
  if (chosen.some((index, k) => isMissed(SHADOW_SCENARIOS[index]!, results[k]!))) process.exitCode = 1;
}

if (isMainThread || workerData !== 'runs') await main();
else {
  parentPort!.on('message', ({ scenario, from, to, seed }: Piece) => {
    const runs: Run[] = [];
    for (let i = from; i < to; i++) runs.push(runOnce(SHADOW_SCENARIOS[scenario]!, seed * 1_000_003 + i));
    parentPort!.postMessage(runs);
  });
}
