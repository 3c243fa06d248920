/**
 * Counts the judge's verdicts over many runs of every scenario:
 *   npx nest build && npx swc bench -d .bench --strip-leading-paths && node .bench/sim.js --runs 400 --seed 1
 * Options: --only TEXT for the scenarios whose name contains it, --markdown for a table to paste.
 * Exit code 1 when a bound is missed beyond chance (the 95 % Wilson interval lies outside).
 */
import { bucketOf, judgeWorld } from './canary-world.js';
import { SCENARIOS, type Scenario } from './scenarios.js';

interface Result {
  scenario: Scenario;
  runs: number;
  rollback: number[];
  promote: number[];
}

function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
}

function run(scenario: Scenario, runs: number, seed: number): Result {
  const result: Result = { scenario, runs, rollback: [], promote: [] };
  for (let i = 0; i < runs; i++) {
    const judgement = judgeWorld(scenario.world, seed * 1_000_003 + i);
    const bucket = bucketOf(judgement);
    if (bucket !== null && judgement.verdict === 'rollback') result.rollback.push(bucket);
    if (bucket !== null && judgement.verdict === 'promote') result.promote.push(bucket);
    progress(`${scenario.name}: ${i + 1}/${runs}`, i + 1 === runs);
  }
  return result;
}

/** One line that moves on a terminal; elsewhere one line a scenario. */
function progress(text: string, isLast = false): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (isLast) console.error(text);
}

/** 95 % interval of a share (Wilson 1927). */
function wilson(hits: number, runs: number): [number, number] {
  const z2 = 1.96 ** 2;
  const centre = (hits + z2 / 2) / (runs + z2);
  const half = (1.96 / (runs + z2)) * Math.sqrt((hits * (runs - hits)) / runs + z2 / 4);
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

function share(hits: number[], runs: number): string {
  const [low, high] = wilson(hits.length, runs);
  const rate = (hits.length / runs).toFixed(3);
  const median = hits.length === 0 ? '' : ` @${medianOf(hits)}`;
  return `${rate} [${low.toFixed(3)}, ${high.toFixed(3)}]${median}`;
}

function medianOf(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function bounds({ atMost = {}, atLeast = {} }: Scenario): string {
  const texts: string[] = [];
  for (const verdict of ['rollback', 'promote'] as const) {
    if (atMost[verdict] !== undefined) texts.push(`${verdict} <= ${atMost[verdict]}`);
    if (atLeast[verdict] !== undefined) texts.push(`${verdict} >= ${atLeast[verdict]}`);
  }
  return texts.join(', ');
}

function isMissed({ scenario, runs, ...hits }: Result): boolean {
  const { atMost = {}, atLeast = {} } = scenario;
  return (['rollback', 'promote'] as const).some((verdict) => {
    const [low, high] = wilson(hits[verdict].length, runs);
    return low > (atMost[verdict] ?? 1) || high < (atLeast[verdict] ?? 0) - 1e-9;
  });
}

function print(results: Result[], asMarkdown: boolean): void {
  const rows = results.map((result) => [
    result.scenario.name,
    share(result.rollback, result.runs),
    share(result.promote, result.runs),
    bounds(result.scenario) + (isMissed(result) ? '  MISSED' : ''),
  ]);
  const table = [['scenario', 'rollback', 'promote', 'asked'], ...rows];
  if (asMarkdown) table.splice(1, 0, ['---', '---', '---', '---']);
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]!.length)));
  for (const row of table) {
    const line = asMarkdown
      ? `| ${row.join(' | ')} |`
      : row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ');
    console.log(line);
  }
}

const runs = Number(option('runs', '200'));
const seed = Number(option('seed', '1'));
const only = option('only', '');
const started = Date.now();
const results = SCENARIOS.filter(({ name }) => name.includes(only)).map((scenario) =>
  run(scenario, runs, seed),
);
progress('');
print(results, process.argv.includes('--markdown'));
console.log(`${runs} runs a scenario, seed ${seed}, ${((Date.now() - started) / 1000).toFixed(0)} s`);
if (results.some(isMissed)) process.exitCode = 1;
