/**
 * Simulated users. They ask with texts the classifier has not learnt from, and some of them, later, say what
 * was right. What they do follows from what they see on the screen; they never learn which version answered.
 */
import type { Candidate } from '../../event/prediction.js';
import type { LabelledText } from './corpus.js';
import { logNormal, pick, randomOf, type Random } from './random.js';

/** One user's question, and what that user knows to be right. */
export interface Ask {
  /** 0, 1, 2, ... over the whole demo: names the ask, and seeds everything by chance in it. */
  index: number;
  /** When, in milliseconds since 1970. */
  at: number;
  subject: string;
  /** As typed. */
  input: string;
  rightLabel: string;
}

/** What a user does about an answer. */
export type Reaction =
  | { kind: 'correct'; afterMs: number; says: { rank: number } | { label: string } | { none: true } }
  /** Takes back the reaction before it. */
  | { kind: 'retract'; afterMs: number };

const MINUTE = 60_000;

/** Probability that a user of average diligence reacts, and how long that takes (log-normal, long tail). */
const CONFIRMS = { probability: 0.3, medianMs: 25 * MINUTE, spread: 1.3 };
const CORRECTS = { probability: 0.6, medianMs: 8 * MINUTE, spread: 1.2 };

/** Diligence multiplies both probabilities: from 0.5 to 1.5, the same for all that a user asks. */
const diligenceOf = (seed: number, subject: string) => 0.5 + randomOf(seed, 'diligence', subject)();

/** Who points at a candidate on the screen instead of typing its code; who only says that none is right. */
const POINTS = 0.7;
const SAYS_NONE = 0.25;

/** A slip: the user hits another candidate first. Half of the slips are noticed and mended, some taken back. */
const SLIPS = 0.03;
const SLIP_MENDED = 0.5;
const SLIP_RETRACTED = 0.2;

/** How many of the asks carry a slip of the keyboard, and how many are typed in lower case. */
const TYPOS = 0.1;
const LOWER_CASE = 0.4;

/** Activity of the k-th user is proportional to 1/(k + FLATTEN)^EXPONENT: a few ask often, most seldom. */
const ZIPF_EXPONENT = 0.7;
const ZIPF_FLATTEN = 20;

/** Draws users by their activity. */
export class Population {
  private readonly cumulated: number[] = [];

  constructor(
    readonly size: number,
    private readonly seed: number,
  ) {
    let sum = 0;
    for (let rank = 0; rank < size; rank++) {
      sum += (rank + 1 + ZIPF_FLATTEN) ** -ZIPF_EXPONENT;
      this.cumulated.push(sum);
    }
  }

  /** The ask number `index`, at a given time. */
  ask(index: number, at: number, texts: readonly LabelledText[]): Ask {
    const random = randomOf(this.seed, 'ask', index);
    const { text, label } = pick(texts, random);
    return { index, at, subject: this.subject(random), input: asTyped(text, random), rightLabel: label };
  }

  private subject(random: Random): string {
    const mark = random() * (this.cumulated.at(-1) ?? 0);
    let [low, high] = [0, this.size - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.cumulated[middle] ?? 0) > mark) high = middle;
      else low = middle + 1;
    }
    return `user-${this.seed}-${low + 1}`;
  }
}

/**
 * What the user does, in order. Depends on the ask and the candidates alone: a better version is corrected
 * less only because it is right more often.
 */
export function reactionsTo(ask: Ask, candidates: readonly Candidate[], seed: number): Reaction[] {
  const random = randomOf(seed, 'reaction', ask.index);
  const rank = candidates.findIndex(({ label }) => label === ask.rightLabel);
  const habit = rank === 0 ? CONFIRMS : CORRECTS;
  if (random() >= habit.probability * diligenceOf(seed, ask.subject)) return [];

  const afterMs = logNormal(habit.medianMs, habit.spread, random);
  const meant: Reaction = { kind: 'correct', afterMs, says: whatIsRight(ask, rank, random) };
  const others = candidates.map((_, index) => index).filter((index) => index !== rank);
  if (others.length === 0 || random() >= SLIPS) return [meant];

  const slip: Reaction = { kind: 'correct', afterMs, says: { rank: pick(others, random) } };
  const noticedMs = afterMs + logNormal(MINUTE, 1, random);
  const then = random();
  if (then < SLIP_MENDED) return [slip, { ...meant, afterMs: noticedMs }];
  if (then < SLIP_MENDED + SLIP_RETRACTED) return [slip, { kind: 'retract', afterMs: noticedMs }];
  return [slip];
}

function whatIsRight(ask: Ask, rank: number, random: Random) {
  const chance = random();
  if (rank >= 0) return chance < POINTS ? { rank } : { label: ask.rightLabel };
  return chance < SAYS_NONE ? ({ none: true } as const) : { label: ask.rightLabel };
}

function asTyped(text: string, random: Random): string {
  const typed = random() < LOWER_CASE ? text.toLowerCase() : text;
  return random() < TYPOS ? withTypo(typed, random) : typed;
}

/** Two neighbouring letters change places. */
function withTypo(text: string, random: Random): string {
  const place = Math.floor(random() * (text.length - 1));
  return text.slice(0, place) + text.charAt(place + 1) + text.charAt(place) + text.slice(place + 2);
}
