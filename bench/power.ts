/**
 * How many labels a verdict takes, over the fewest that any anytime-valid test could do with:
 *   npm run bench:power -- --runs 1000 --seed 1
 * Writes the table of docs/canary-power.md, which says what is counted and why. `--help` for the options.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Traffic } from './canary-cells.js';
import { boundOf, measure, POLICY, type Case } from './label-bound.js';

const DOCUMENT = 'docs/canary-power.md';
const TABLE = /(<!-- power -->\n)[^]*?(\n<!-- \/power -->)/;

const WORSE: Pick<Case, 'checks' | 'verdict'> = {
  checks: ['wrong-up', 'right-not-higher'],
  verdict: 'rollback',
};
const EQUAL: Pick<Case, 'checks' | 'verdict'> = {
  checks: ['wrong-within', 'right-within'],
  verdict: 'promote',
};

function traffic(canary: number, share: number, buckets: number, subjects = 600): Traffic {
  return { accuracy: { baseline: 0.8, canary }, share, buckets, subjects };
}

const CASES: Case[] = [
  { title: '25 % more wrong, 10 %', traffic: traffic(0.75, 0.1, 900), ...WORSE },
  { title: '25 % more wrong, 50 %', traffic: traffic(0.75, 0.5, 360), ...WORSE },
  { title: '25 % more wrong, 50 %, 40 a bucket', traffic: traffic(0.75, 0.5, 1500, 40), ...WORSE },
  { title: '50 % more wrong, 10 %', traffic: traffic(0.7, 0.1, 300), ...WORSE },
  { title: '50 % more wrong, 50 %', traffic: traffic(0.7, 0.5, 160), ...WORSE },
  { title: 'twice as many wrong, 50 %', traffic: traffic(0.6, 0.5, 110), ...WORSE },
  { title: 'equal, 10 %', traffic: traffic(0.8, 0.1, 900), ...EQUAL },
  { title: 'equal, 50 %', traffic: traffic(0.8, 0.5, 360), ...EQUAL },
];

function rowsOf(one: Case, runs: number, seed: number): string[][] {
  const { perCheck, verdicts, missed } = measure(one, runs, seed, (run) =>
    progress(`${one.title}: ${run}/${runs}`, run === runs),
  );
  if (missed > 0) console.error(`${one.title}: ${missed} checks were not answered in time and are left out`);
  const rows = [...perCheck].map(([name, { judge, oracle }]) => {
    const bound = boundOf(name, one.traffic);
    const threshold = -Math.log(POLICY.alpha[name]);
    const labels = judge.map((crossing) => crossing.labels);
    // Come true minus expected information has mean 0 at any stopping time (Wald), so that the labels are
    // corrected by what chance gave to these runs: a far narrower mean from the same runs.
    const over = mean(judge.map(({ oracleLog }) => oracleLog)) / threshold;
    const known = mean(oracle.map(({ oracleLog }) => oracleLog)) / threshold;
    const error =
      (1.96 * deviation(judge.map(({ oracleLog }) => oracleLog))) / threshold / Math.sqrt(judge.length);
    return [
      one.title,
      `\`${name}\``,
      bound.toFixed(0),
      `${mean(labels).toFixed(0)} / ${medianOf(labels).toFixed(0)}`,
      `**${over.toFixed(2)}** ± ${error.toFixed(2)}`,
      (known - 1).toFixed(2),
      (over - known).toFixed(2),
    ];
  });
  const reached = `${mean(verdicts).toFixed(0)} / ${medianOf(verdicts).toFixed(0)}`;
  const share = verdicts.length === runs ? '' : ` (${((100 * verdicts.length) / runs).toFixed(1)} % of runs)`;
  return [...rows, [one.title, `${one.verdict}${share}`, '', reached, '', '', '']];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/** One line that moves on a terminal; elsewhere one line a case. */
function progress(text: string, isLast: boolean): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}${isLast ? '\n' : ''}`);
  else if (isLast) console.error(text);
}

const HEAD = [
  'canary',
  'check, or verdict',
  'bound',
  'labels: mean / median',
  'over the bound',
  'blocks',
  'not knowing the rates',
];

function tableOf(rows: readonly string[][]): string {
  return [HEAD, HEAD.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

const HELP = `Labels to a verdict, over the information bound.
  --runs N   runs of each case (400)
  --seed N   (1)
  --only T   only the cases whose title contains T; leaves ${DOCUMENT} as it is
  --print    leaves ${DOCUMENT} as it is`;

function main(): void {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '400' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string', default: '' },
      print: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(HELP);
  const [runs, seed] = [Number(values.runs), Number(values.seed)];
  if (!(Number.isInteger(runs) && runs > 0 && Number.isInteger(seed))) {
    throw new Error('--runs takes a whole number above 0, --seed a whole number');
  }
  const cases = CASES.filter(({ title }) => title.includes(values.only));
  const table = tableOf(cases.flatMap((one) => rowsOf(one, runs, seed)));
  const text = `${table}\n\n${runs} runs a case, seed ${seed} (\`npm run bench:power -- --runs ${runs} --seed ${seed}\`).`;
  console.log(text);
  if (values.print || values.only !== '') return;
  const document = readFileSync(DOCUMENT, 'utf8');
  if (!TABLE.test(document))
    throw new Error(`${DOCUMENT} has no place between <!-- power --> and <!-- /power -->`);
  writeFileSync(
    DOCUMENT,
    document.replace(TABLE, (_, before: string, after: string) => before + text + after),
  );
}

main();
