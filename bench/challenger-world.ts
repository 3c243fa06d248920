/**
 * A made-up world in which a challenger answers in the shadow: every prediction has two answers, users see one,
 * and some say later whether it was right. It yields the rows that the warehouse would.
 */
import { completeChallengerPolicy, type PartialChallengerPolicy } from '#assay/event/challenger.js';
import { judgeChallenger } from '#assay/verdict/challenger.js';
import type { ChallengerJudgement, PairRow } from '#assay/verdict/challenger-judgement.js';
import { randomFrom } from './canary-cells.js';

/** How readily users label, within the time that is waited for labels. */
export interface Habit {
  /** Probability that a right answer is labelled, and a wrong one. */
  confirms: number;
  corrects: number;
}

export interface ShadowWorld {
  /** Share of right answers of the shown version, and of the challenger. */
  shown: number;
  challenger: number;
  /** Share of predictions that exactly one of them gets right. */
  apart: number;
  /** Habits by input: each prediction has one of them, at random. */
  habits: Habit[];
  /** Mean delay of a label in buckets (exponential), of right and of wrong answers. */
  confirmDelay: number;
  correctDelay: number;
  buckets: number;
  predictionsPerBucket: number;
  /** Predictions of one user within a bucket, and the probability that all of them share one fate. */
  predictionsPerUser: number;
  correlation: number;
  /** Counts every prediction as its own subject, as the judge must not. */
  countsPredictions: boolean;
  /** Counts labels at the time at which they come, as the judge must not. */
  countsAsTheyCome: boolean;
}

const WIDTH = 300_000;
/** How long a label is waited for, buckets. */
export const WINDOW = 60;
const STARTED_AT = Date.UTC(2026, 0, 5);

/** Users who label `corrects / confirms` times as readily what is wrong. */
export const HABITS = {
  even: { confirms: 0.4, corrects: 0.4 },
  twice: { confirms: 0.3, corrects: 0.6 },
  fourfold: { confirms: 0.2, corrects: 0.8 },
} satisfies Record<string, Habit>;

export function shadowWorld(changes: Partial<ShadowWorld>): ShadowWorld {
  return {
    shown: 0.8,
    challenger: 0.8,
    apart: 0.08,
    habits: [HABITS.twice],
    confirmDelay: 20,
    correctDelay: 5,
    buckets: 300,
    predictionsPerBucket: 60,
    predictionsPerUser: 1,
    correlation: 0,
    countsPredictions: false,
    countsAsTheyCome: false,
    ...changes,
  };
}

interface Fate {
  shownRight: boolean;
  challengerRight: boolean;
  isLabelled: boolean;
  /** Buckets from the prediction to the label. */
  delay: number;
}

/** Lives through the whole time; the rows are in order of bucket. */
export function liveInShadow(world: ShadowWorld, seed: number): PairRow[] {
  const random = randomFrom(seed);
  const rows = new Map<string, PairRow>();
  const users = Math.round(world.predictionsPerBucket / world.predictionsPerUser);
  for (let bucket = 0; bucket < world.buckets; bucket++) {
    for (let user = 0; user < users; user++) {
      const fates = fatesOf(world, random);
      if (world.countsAsTheyCome) {
        for (const fate of fates) {
          if (fate.isLabelled) count(rows, bucket + Math.floor(fate.delay), [fate]);
        }
      } else if (world.countsPredictions) for (const fate of fates) count(rows, bucket, [fate]);
      else count(rows, bucket, fates);
    }
  }
  return [...rows.values()].sort((a, b) => a.bucket - b.bucket);
}

function fatesOf(world: ShadowWorld, random: () => number): Fate[] {
  const fates = [fateOf(world, random)];
  const isShared = world.correlation > 0 && random() < world.correlation;
  for (let k = 1; k < world.predictionsPerUser; k++) {
    fates.push(isShared ? fates[0]! : fateOf(world, random));
  }
  return fates;
}

function fateOf(world: ShadowWorld, random: () => number): Fate {
  const { shown, challenger, apart, habits } = world;
  const onlyShown = (apart + shown - challenger) / 2;
  const onlyChallenger = (apart - shown + challenger) / 2;
  const draw = random();
  const shownRight = draw < shown;
  const challengerRight = shownRight ? draw >= onlyShown : draw < shown + onlyChallenger;
  const habit = habits[habits.length === 1 ? 0 : Math.floor(random() * habits.length)]!;
  const isLabelled = random() < (shownRight ? habit.confirms : habit.corrects);
  const mean = shownRight ? world.confirmDelay : world.correctDelay;
  const delay = isLabelled ? -mean * Math.log(1 - random() * (1 - Math.exp(-WINDOW / mean))) : 0;
  return { shownRight, challengerRight, isLabelled, delay };
}

function count(rows: Map<string, PairRow>, bucket: number, fates: readonly Fate[]): void {
  const labelled = fates.filter(({ isLabelled }) => isLabelled);
  const lost = labelled.filter((fate) => fate.shownRight && !fate.challengerRight).length;
  const won = labelled.filter((fate) => !fate.shownRight && fate.challengerRight).length;
  const wrong = labelled.filter((fate) => !fate.shownRight).length;
  const right = labelled.length - wrong;
  const agreed = fates.filter((fate) => fate.shownRight === fate.challengerRight).length;
  const key = `${bucket} ${lost} ${won} ${wrong}`;
  const row = rows.get(key);
  if (row !== undefined) {
    row.subjects++;
    row.right += right;
    row.agreed += agreed;
    return;
  }
  const start = STARTED_AT + bucket * WIDTH;
  const counts = { lost, won, unsure: 0, wrong, subjects: 1, right, agreed, failed: 0 };
  rows.set(key, { bucket: start, shadowed: fates.length, ...counts });
}

export function judgeShadow(
  world: ShadowWorld,
  rows: readonly PairRow[],
  policy: PartialChallengerPolicy,
): ChallengerJudgement {
  const window = world.countsAsTheyCome ? 0 : WINDOW;
  return judgeChallenger({
    baseline: 'v1',
    challenger: 'v2',
    rows,
    policy: completeChallengerPolicy({
      bucketSeconds: WIDTH / 1000,
      labelWindowSeconds: (window * WIDTH) / 1000,
      ...policy,
    }),
    asOf: STARTED_AT + (world.buckets + 2 * WINDOW) * WIDTH,
    lagSeconds: 0,
  });
}

/** Labels that had been counted when something was shown. */
export function labelsUntil(rows: readonly PairRow[], decidedAt: number, world: ShadowWorld): number {
  const waitMs = (1 + (world.countsAsTheyCome ? 0 : WINDOW)) * WIDTH;
  return rows
    .filter(({ bucket }) => bucket + waitMs <= decidedAt)
    .reduce((sum, { right, wrong, subjects }) => sum + right + wrong * subjects, 0);
}

/**
 * McNemar's test at the end of each bucket, one-sided at .05: what anybody would try first. Whether it ever said
 * better, and ever worse.
 */
export function mcNemar(rows: readonly PairRow[]): { better: boolean; worse: boolean } {
  let [lost, won] = [0, 0];
  const said = { better: false, worse: false };
  rows.forEach((row, index) => {
    lost += row.lost * row.subjects;
    won += row.won * row.subjects;
    if (rows[index + 1]?.bucket === row.bucket || lost + won < 10) return;
    const z = (won - lost) / Math.sqrt(won + lost);
    if (z > 1.645) said.better = true;
    if (z < -1.645) said.worse = true;
  });
  return said;
}
