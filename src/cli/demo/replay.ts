/**
 * Plays a stretch of the past: users ask, the version that the split gives them answers, and what they say
 * about it arrives when they say it. All of it reaches the service through its HTTP interface, in the order
 * of happening, like the records of a team whose predictor is served elsewhere.
 */
import type { Split } from '../../event/predictor.js';
import { arrivals } from './arrivals.js';
import type { LabelledText } from './corpus.js';
import { predictionEvents, type Answer, type PastEvent } from './past-events.js';
import { randomOf } from './random.js';
import { reactionsTo, type Ask, type Population } from './users.js';

export interface Stretch {
  /** Milliseconds since 1970; asks happen in [from, to). */
  from: number;
  to: number;
  predictions: number;
  split: Split;
}

export interface World {
  predictor: string;
  seed: number;
  population: Population;
  texts: readonly LabelledText[];
  chooseVersion: (split: Split, subject: string) => string;
  /** Asks a version's model, for real; answers in the order of the inputs. */
  classify: (version: string, inputs: string[]) => Promise<Answer[]>;
  /** Hands events to the service. */
  record: (events: PastEvent[]) => Promise<void>;
}

/** How often a version had the right code on top, whether anybody said so or not. */
export interface Truth {
  asked: number;
  right: number;
}

const ASKS_AT_ONCE = 800;

export class Replay {
  /** Per version; only a simulation knows. */
  readonly truth = new Map<string, Truth>();
  private asked = 0;
  /** What users have not said yet, at the time reached. */
  private pending: PastEvent[] = [];

  constructor(private readonly world: World) {}

  /** `onProgress` hears how many predictions have been recorded since the last time. */
  async play(stretch: Stretch, onProgress: (predictions: number) => void): Promise<void> {
    const asks = this.asksOf(stretch);
    let recording: Promise<void> = Promise.resolve();
    for (let start = 0; start < asks.length; start += ASKS_AT_ONCE) {
      const some = asks.slice(start, start + ASKS_AT_ONCE);
      const reached = asks[start + ASKS_AT_ONCE]?.at ?? stretch.to;
      this.pending.push(...(await this.answersTo(some, stretch.split)));
      // The service stores these while the classifier answers the next ones.
      await recording;
      recording = this.world.record(this.takeUntil(reached)).then(() => onProgress(some.length));
      // When the classifier fails first, nobody is left to await this one.
      recording.catch(() => undefined);
    }
    await recording;
    await this.world.record(this.takeUntil(stretch.to));
  }

  private asksOf({ from, to, predictions }: Stretch): Ask[] {
    const { seed, population, texts } = this.world;
    const times = arrivals(from, to, predictions, randomOf(seed, 'arrivals', this.asked));
    return times.map((at) => population.ask(this.asked++, at, texts));
  }

  private async answersTo(asks: Ask[], split: Split): Promise<PastEvent[]> {
    const { predictor, seed, chooseVersion, classify } = this.world;
    const events: PastEvent[] = [];
    for (const [version, own] of groupBy(asks, ({ subject }) => chooseVersion(split, subject))) {
      const answers = await classify(
        version,
        own.map(({ input }) => input),
      );
      for (const [index, ask] of own.entries()) {
        const answer = answers[index] as Answer;
        this.tally(version, answer.candidates[0]?.label === ask.rightLabel);
        const reactions = reactionsTo(ask, answer.candidates, seed);
        events.push(...predictionEvents(predictor, version, ask, answer, reactions, seed));
      }
    }
    return events;
  }

  private tally(version: string, isRight: boolean): void {
    const { asked, right } = this.truth.get(version) ?? { asked: 0, right: 0 };
    this.truth.set(version, { asked: asked + 1, right: right + (isRight ? 1 : 0) });
  }

  /** Removes from the pending events what has happened before `time`, in order. */
  private takeUntil(time: number): PastEvent[] {
    const limit = new Date(time).toISOString();
    const taken = this.pending.filter((event) => event.time < limit);
    this.pending = this.pending.filter((event) => event.time >= limit);
    return taken.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  }
}

function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}
