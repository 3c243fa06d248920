/**
 * Holds the judge to its bar: counts its verdicts over many runs of every scenario, spread over the cores, and
 * writes docs/canary-bar.md. `npm run sim -- --help` says more.
 */
import { availableParallelism } from 'node:os';
import { writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { askedText, keepingOf, pageOf, type Result, rowOf, RUNS_AT_LEAST } from './bar.js';
import { Campaign, type CampaignOptions } from './campaign.js';
import { SCENARIOS } from './scenarios.js';

interface Options extends CampaignOptions {
  only: string;
  output?: string;
}

function whole(least: number) {
  return (text: string): number => {
    if (/^\d+$/.test(text) && Number(text) >= least) return Number(text);
    throw new InvalidArgumentError(`It must be a whole number from ${least}.`);
  };
}

const EXAMPLES = `
Examples:
  npm run sim                                        every row in full, and the page
  npm run sim -- --runs 40 --output /tmp/bar.md      a first look
  npm run sim -- --only 'margin' --seed 7            some rows in full; no page
  npm run sim -- --only 'Late onset' --runs 100      a group

The same seed gives the same figures, whatever the number of workers and the rows that are left out.
Exit code: 1 when a bound is missed beyond chance or events lead to other rows, 2 when the simulation fails.`;

const program = new Command('sim')
  .description('Simulates canaries and counts the verdicts of the judge.')
  .option('--runs <n>', `runs a row; without it from ${RUNS_AT_LEAST} until the rates are known`, whole(1))
  .option('--seed <n>', 'from which everything is drawn', whole(0), 1)
  .option('--only <text>', 'rows whose name or group contains this', '')
  .option('--workers <n>', 'processes', whole(1), availableParallelism())
  .option('--minutes <n>', 'end after so long, with the runs that were made by then', whole(1))
  .option('--through-events <n>', 'short runs of each row that also go through events', whole(0), 2)
  .option('--output <file>', 'page to write; docs/canary-bar.md when all rows are run in full')
  .addHelpText('after', EXAMPLES);
const options = program.parse().opts<Options>();

/** One line that moves on a terminal; elsewhere a line now and then. */
function progress(text: string, isImportant: boolean): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}${isImportant ? '\n' : ''}`);
  else if (isImportant) console.error(text);
}

function cpuOf({ runs }: Result): number {
  return runs.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / runs.length;
}

function print(results: readonly Result[]): void {
  const head = ['scenario', 'rollback', 'promote', 'asked', '', 'runs', 'CPU ms a run'];
  const rows = [head, ...results.map((result) => [...rowOf(result), cpuOf(result).toFixed(0)])];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows)
    console.log(
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    );
}

const places = SCENARIOS.map((_, place) => place).filter((place) => {
  const { name, group } = SCENARIOS[place]!;
  return `${group}: ${name}`.toLowerCase().includes(options.only.toLowerCase());
});
if (places.length === 0) program.error(`No row contains "${options.only}".`, { exitCode: 2 });

const started = Date.now();
const campaign = new Campaign(places, options, progress);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => campaign.stop(signal));
try {
  const { results, differences } = await campaign.run();
  const seconds = (Date.now() - started) / 1000;
  print(results);
  console.log(`seed ${options.seed}, ${seconds.toFixed(0)} s with ${options.workers} workers`);
  for (const difference of differences) console.log(`NOT THE SAME THROUGH EVENTS: ${difference}`);
  const missed = results.filter((result) => keepingOf(result) === 'missed');
  for (const { scenario } of missed) console.log(`MISSED: ${scenario.name} (${askedText(scenario)})`);
  const isWhole = places.length === SCENARIOS.length && options.runs === undefined;
  const output = options.output ?? (isWhole ? 'docs/canary-bar.md' : undefined);
  if (output !== undefined) {
    const command = [
      'npm run sim',
      ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : []),
    ].join(' ');
    writeFileSync(output, pageOf(results, { ...options, command, seconds, differences: differences.length }));
    console.log(`written: ${output}`);
  }
  process.exitCode = missed.length + differences.length > 0 ? 1 : 0;
} catch (error) {
  console.error(`The simulation failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
} finally {
  campaign.close();
}
