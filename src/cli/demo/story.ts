/**
 * The story: a classifier is deployed, a canary that learnt more is tried and judged, then one that learnt
 * less. Nothing in it knows how a verdict will turn out; what happens next follows from the verdict.
 */
import {
  CANARY_STARTED,
  PREDICTOR_DEPLOYED,
  PROMOTED,
  ROLLED_BACK,
  TRAFFIC_SPLIT,
  type Split,
} from '../../event/predictor.js';
import { chooseVersion } from '../../serving/split.js';
import { healthText, type HealthAnswer } from '../health-text.js';
import type { Assay } from './assay.js';
import type { Part } from './classifier.server.js';
import type { LabelledText } from './corpus.js';
import { pastEvent, pastId, type Answer } from './past-events.js';
import { startProgress } from './progress.js';
import { randomOf } from './random.js';
import { Replay } from './replay.js';
import { Population } from './users.js';

export const PREDICTOR = 'industry-code';

/**
 * What each version has learnt from: v2 from more than the version before it, v3 as if the other two thirds
 * had been lost on the way. How good that makes them is for the service to find out.
 */
export const VERSIONS = {
  v1: { part: { from: 0, to: 1 / 3 }, learns: 'the first third' },
  v2: { part: { from: 0, to: 1 }, learns: 'everything' },
  v3: { part: { from: 2 / 3, to: 1 }, learns: 'the last third' },
} satisfies Record<string, { part: Part; learns: string }>;

type Version = keyof typeof VERSIONS;

const DAY = 86_400_000;
const HOUR = 3_600_000;

/** The time axis ends now: days before it, and each chapter's share of the predictions. */
const ALONE = { fromDay: 6, share: 0.1 };
const FIRST_CANARY = { fromDay: 4.5, share: 0.5 };
const SECOND_CANARY = { fromDay: 2.5, share: 0.4 };

/** One user for so many predictions. */
const PREDICTIONS_A_USER = 8;

export interface Setting {
  assay: Assay;
  classifierUrl: string;
  texts: readonly LabelledText[];
  seed: number;
  predictions: number;
  /** Where the time axis ends, milliseconds. */
  now: number;
}

export class Story {
  readonly replay: Replay;
  private readonly random;

  constructor(private readonly setting: Setting) {
    const { assay, seed, texts, predictions } = setting;
    this.random = randomOf(seed, 'story');
    this.replay = new Replay({
      predictor: PREDICTOR,
      seed,
      texts,
      population: new Population(Math.ceil(predictions / PREDICTIONS_A_USER), seed),
      chooseVersion,
      classify: (version, inputs) => this.classify(version, inputs),
      record: (events) => assay.record(events),
    });
  }

  async tell(): Promise<HealthAnswer[]> {
    const { now } = this.setting;
    const [start, first, second] = [ALONE, FIRST_CANARY, SECOND_CANARY].map(
      ({ fromDay }) => now - fromDay * DAY,
    ) as [number, number, number];

    say(`${day(start)}: v1, which has learnt from ${VERSIONS.v1.learns} of the texts, answers alone.`);
    await this.deploy('v1', start);
    await this.play(start, first, ALONE.share, { v1: 1 });

    const one = await this.tryCanary('v1', 'v2', first, second, FIRST_CANARY.share);
    const serving = await this.follow(one, second);

    const two = await this.tryCanary(serving, 'v3', second, now, SECOND_CANARY.share);
    say(
      two.verdict === 'rollback'
        ? 'v3 is left running for you to look at; how to end it is said below.'
        : `v3 stays undecided (${two.verdict}): these are too few predictions to tell.`,
    );
    return [one, two];
  }

  private async tryCanary(
    baseline: Version,
    canary: Version,
    from: number,
    to: number,
    share: number,
  ): Promise<HealthAnswer> {
    say(
      `\n${day(from)}: ${canary}, which has learnt from ${VERSIONS[canary].learns}, starts as canary on half the traffic.`,
    );
    const split = { [baseline]: 0.5, [canary]: 0.5 };
    await this.deploy(canary, from - HOUR);
    await this.record(CANARY_STARTED, from, { baseline, canary, policy: {} });
    await this.record(TRAFFIC_SPLIT, from, { split });
    await this.play(from, to, share, split);
    const health = await this.setting.assay.canaryHealth(PREDICTOR);
    say(`\n${healthText(health)}\n`);
    return health;
  }

  /** @returns the version that serves afterwards */
  private async follow({ verdict, reason, baseline, canary }: HealthAnswer, at: number): Promise<Version> {
    if (verdict === 'promote') {
      say(`${day(at)}: ${canary} is promoted and takes all traffic.`);
      await this.record(PROMOTED, at, { version: canary, reason });
      return canary as Version;
    }
    say(`${day(at)}: without a promote, ${canary} is taken back and ${baseline} goes on.`);
    await this.record(ROLLED_BACK, at, { version: canary, reason });
    return baseline as Version;
  }

  private async play(from: number, to: number, share: number, split: Split): Promise<void> {
    const predictions = Math.round(this.setting.predictions * share);
    const progress = startProgress(predictions);
    try {
      await this.replay.play({ from, to, predictions, split }, (recorded) => progress.add(recorded));
    } finally {
      progress.end();
    }
  }

  private deploy(version: Version, at: number): Promise<void> {
    const backend = { kind: 'http', url: `${this.setting.classifierUrl}/${version}` };
    return this.record(PREDICTOR_DEPLOYED, at, { version, backend });
  }

  private record(type: string, at: number, data: object): Promise<void> {
    const event = pastEvent(type, pastId(at, this.random), at, { predictor: PREDICTOR, ...data });
    return this.setting.assay.record([event]);
  }

  private async classify(version: string, inputs: string[]): Promise<Answer[]> {
    const response = await fetch(`${this.setting.classifierUrl}/${version}`, {
      method: 'POST',
      body: JSON.stringify({ inputs }),
    });
    if (!response.ok) throw new Error(`The classifier answered ${response.status}: ${await response.text()}`);
    const { answers } = (await response.json()) as { answers: Answer[] };
    return answers;
  }
}

export function say(text: string): void {
  console.log(text);
}

export function day(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
