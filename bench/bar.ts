/** What the simulation found, against what was asked: rates with intervals, and the page that shows them. */
import { NAIVE_RULES, type NaiveRule } from './naive-rules.js';
import type { Scenario } from './scenarios.js';

export type Outcome = 'rollback' | 'promote';
export const OUTCOMES: readonly Outcome[] = ['rollback', 'promote'];

/** One verdict of the judge, or of a rule; null without one. */
export interface Verdict {
  verdict: Outcome | null;
  bucket: number | null;
}

/** One run of a scenario. */
export interface Run {
  judge: Verdict;
  /** In the order of NAIVE_RULES; empty where they were not asked. */
  rules: Verdict[];
  /** What the run took of one core, milliseconds. */
  cpuMs: number;
}

export interface Result {
  scenario: Scenario;
  runs: readonly Run[];
}

/** 95 % interval of a share (Wilson 1927). */
export function wilson(hits: number, runs: number): [number, number] {
  const z2 = 1.96 ** 2;
  const centre = (hits + z2 / 2) / (runs + z2);
  const half = (1.96 / (runs + z2)) * Math.sqrt((hits * (runs - hits)) / runs + z2 / 4);
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

export function bucketsOf(verdicts: readonly Verdict[], outcome: Outcome): number[] {
  return verdicts.filter(({ verdict }) => verdict === outcome).map(({ bucket }) => bucket ?? 0);
}

/** Runs by which a rate of .05 is known to +-.01: 1.96^2 * .05 * .95 / .01^2. */
export const RUNS_AT_MOST = 1825;
/** Runs after which a verdict that never came is known to come less than once in a hundred. */
export const RUNS_AT_LEAST = 400;
const HALF_WIDTH = 0.01;

/**
 * Whether a row is known well enough: every rate that is bounded from above to +-.01. At .05 that takes 1,825
 * runs, further down less. The stop depends on the width of the interval alone.
 */
export function isKnown({ scenario, runs }: Result): boolean {
  if (runs.length < RUNS_AT_LEAST) return false;
  if (runs.length >= RUNS_AT_MOST) return true;
  const verdicts = runs.map(({ judge }) => judge);
  return OUTCOMES.filter((outcome) => scenario.atMost?.[outcome] !== undefined).every((outcome) => {
    const [low, high] = wilson(bucketsOf(verdicts, outcome).length, runs.length);
    return scenario.atMost![outcome]! > 0.1 || (high - low) / 2 <= HALF_WIDTH;
  });
}

export type Keeping = 'kept' | 'open' | 'missed' | 'shown';

/** missed: the interval lies wholly beyond a bound; open: the rate does, but that may be chance. */
export function keepingOf({ scenario, runs }: Result): Keeping {
  const { atMost = {}, atLeast = {} } = scenario;
  const verdicts = runs.map(({ judge }) => judge);
  let keeping: Keeping = 'shown';
  for (const outcome of OUTCOMES) {
    const hits = bucketsOf(verdicts, outcome).length;
    const [low, high] = wilson(hits, runs.length);
    const [most, least] = [atMost[outcome] ?? 1, atLeast[outcome] ?? 0];
    if (atMost[outcome] === undefined && atLeast[outcome] === undefined) continue;
    if (low > most || high < least) return 'missed';
    const rate = hits / runs.length;
    if (rate > most || rate < least) keeping = 'open';
    else if (keeping === 'shown') keeping = 'kept';
  }
  return keeping;
}

const digits = (rate: number): string => rate.toFixed(3).replace(/^0/, '');

/** Rate, interval, and the median bucket of the verdict. */
export function shareText(verdicts: readonly Verdict[], outcome: Outcome): string {
  const hits = bucketsOf(verdicts, outcome).sort((a, b) => a - b);
  const [low, high] = wilson(hits.length, verdicts.length);
  const median = hits.length === 0 ? '' : ` @${hits[Math.floor(hits.length / 2)]}`;
  return `${digits(hits.length / verdicts.length)} [${digits(low)}, ${digits(high)}]${median}`;
}

export function askedText({ atMost = {}, atLeast = {} }: Scenario): string {
  const texts: string[] = [];
  for (const outcome of OUTCOMES) {
    if (atMost[outcome] !== undefined) texts.push(`${outcome} at most ${digits(atMost[outcome])}`);
    if (atLeast[outcome] !== undefined) texts.push(`${outcome} at least ${digits(atLeast[outcome])}`);
  }
  return texts.join(', ');
}

const KEEPING: Record<Keeping, string> = {
  kept: 'kept',
  open: 'within chance',
  missed: '**missed**',
  shown: '',
};

export function rowOf(result: Result): string[] {
  const verdicts = result.runs.map(({ judge }) => judge);
  return [
    result.scenario.name,
    shareText(verdicts, 'rollback'),
    shareText(verdicts, 'promote'),
    askedText(result.scenario),
    KEEPING[keepingOf(result)],
    String(result.runs.length),
  ];
}

const HEAD = ['scenario', 'rollback', 'promote', 'asked', '', 'runs'];

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The tables of the judge, one under each heading. */
function judgeTables(results: readonly Result[]): string {
  const groups = [...new Set(results.map(({ scenario }) => scenario.group))];
  return groups
    .map((group) => {
      const rows = results.filter(({ scenario }) => scenario.group === group).map(rowOf);
      return `### ${group}\n${table(HEAD, rows)}`;
    })
    .join('\n\n');
}

/** Rollback and promote of every rule in every world that has them; false ones in bold. */
function rulesTable(results: readonly Result[]): string {
  const worlds = results.filter(({ scenario }) => scenario.naive !== undefined);
  const cell = ({ scenario, runs }: Result, verdictOf: (run: Run) => Verdict) =>
    OUTCOMES.map((outcome) => {
      const rate = digits(bucketsOf(runs.map(verdictOf), outcome).length / runs.length);
      return scenario.naive!.falsely.includes(outcome) ? `**${rate}**` : rate;
    }).join(' / ');
  const rows = [
    ['this judge', ...worlds.map((result) => cell(result, (run) => run.judge))],
    ...NAIVE_RULES.map(({ name }, i) => [
      name,
      ...worlds.map((result) => cell(result, (run) => run.rules[i]!)),
    ]),
  ];
  return table(['rule', ...worlds.map(({ scenario }) => scenario.naive!.title)], rows);
}

const ruleLine = ({ name, source, settings }: NaiveRule): string => `- **${name}** (${source}): ${settings}.`;

export interface Circumstances {
  command: string;
  seed: number;
  seconds: number;
  workers: number;
  throughEvents: number;
  /** How often rows were not the same through events. */
  differences: number;
  /** Runs of every row, where that was given. */
  runs?: number;
}

function runsText(results: readonly Result[], { runs }: Circumstances): string {
  if (runs !== undefined) return '';
  const open = results.filter((result) => !isKnown(result)).length;
  const early =
    open === 0
      ? ''
      : ` It was ended before that: ${open} of ${results.length} rows are known less well, as their intervals show.`;
  return `A row runs until every bounded rate is known to .01 to either side (a rate of .05 takes ${RUNS_AT_MOST.toLocaleString('en')} runs, one near 0 takes ${RUNS_AT_LEAST}).${early} `;
}

/** The whole page. */
export function pageOf(results: readonly Result[], circumstances: Circumstances): string {
  const { command, seed, seconds, workers, throughEvents, differences } = circumstances;
  const total = results.reduce((sum, { runs }) => sum + runs.length, 0);
  const missed = results.filter((result) => keepingOf(result) === 'missed').length;
  return `# The bar: how often the judge errs

Written by \`${command}\`; do not edit. ${total.toLocaleString('en')} runs of ${results.length} scenarios, seed ${seed}, ${(seconds / 60).toFixed(0)} minutes with ${workers} processes. ${missed === 0 ? 'No bound is missed.' : `**${missed} ${missed === 1 ? 'bound is' : 'bounds are'} missed.**`}

## How to read it
A scenario is a made-up world in which it is known what is right. Unless the row says otherwise: 200 buckets of 5 minutes, 600 predictions a bucket in the first three groups and with extreme rates and mostly 200 elsewhere (bench/scenarios.ts has every number), 80 % of the answers right on both versions, right answers confirmed with probability .3 after 20 buckets on average, wrong ones corrected with .6 after 5, the canary at 10 % in the first two groups and at 50 % elsewhere, tolerance .10, ages cut at 5, 15, 40, 100 minutes and 5 hours. "Margin" is a canary that gives exactly 10 % more wrong answers. The rows are made as predictions and corrections in a warehouse with the service's own tables, read by the service's own statement and judged by its judge as if asked at the end of every bucket${throughEvents > 0 ? `; ${throughEvents} short ${throughEvents === 1 ? 'run' : 'runs'} of each scenario also went through events and their derivation and gave ${differences === 0 ? 'the same rows' : `**other rows ${differences} times**`}` : ''}.

A row gives the share of runs that ended in the verdict, its 95 % Wilson interval, and after @ the median bucket of that verdict; the rest was undecided at the end, which costs time and nothing else. **Asked** is what must hold: a wrong verdict at most .05 of the time, at most .01 where nothing is wrong and nothing differs, and a power no lower than the design promised. A bound is *missed* when the interval lies wholly beyond it, and *within chance* when only the rate does. ${runsText(results, circumstances)}Rows without anything asked are there for contrast.

## The judge
${judgeTables(results)}

## Other rules on the same runs
Rollback / promote as shares of the runs; **bold** is false. All of them look at the accuracy among the labels that have arrived, and promote at the end unless they have said something before. Those that need a lowest acceptable accuracy get what the baseline's users give in the long run, less 10 % more wrong.

${rulesTable(results)}

${NAIVE_RULES.map(ruleLine).join('\n')}
`;
}
