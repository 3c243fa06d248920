/**
 * A made-up world in which a canary runs: users get answers, and some of them say later whether these were
 * right. It yields the rows that the warehouse would, so that the judge's error rates can be counted.
 */
import { completePolicy, type PartialPolicy } from '#assay/event/policy.js';
import type { SplitChange } from '#assay/event/predictor.js';
import type { BucketRow } from '#assay/verdict/cells.js';
import { judgeCanary, type Judgement, type JudgementInput } from '#assay/verdict/verdict.js';

export type Arm = 'baseline' | 'canary';

/** How one version's users fare. */
export interface ArmWorld {
  /** Share of right answers, by progress of the canary in [0, 1). */
  accuracy: (progress: number) => number;
  /** Probability that a right answer is confirmed, and the mean delay in buckets (exponential). */
  confirms: number;
  confirmDelay: number;
  /** The same for wrong answers and corrections. */
  corrects: number;
  correctDelay: number;
  /** Probability that the first label says the opposite of the truth (and is superseded later). */
  slips: number;
  /** Standard deviation of the clocks that date labels, buckets; a negative age counts as 0. */
  clockSpread: number;
  errors: number;
  slow: number;
}

export interface World {
  baseline: ArmWorld;
  canary: ArmWorld;
  /** Canary's share, in equal stretches of the whole time. */
  shares: number[];
  /** Share that the router really sends, when it is not the configured one. */
  routed?: number;
  buckets: number;
  predictionsPerBucket: number;
  /** Predictions of one user within a bucket ... */
  predictionsPerUser: number;
  /** ... and the probability that all of them share one fate, which is their correlation. */
  correlation: number;
  /** Counts every prediction as its own subject, as the judge must not. */
  countsPredictions: boolean;
}

export const BUCKET_SECONDS = 300;
export const WIDTH = BUCKET_SECONDS * 1000;
export const EDGES = [0, 300, 900, 2400, 6000, 18_000];
const STARTED_AT = Date.UTC(2026, 0, 5);

const USERS: ArmWorld = {
  accuracy: () => 0.8,
  confirms: 0.3,
  confirmDelay: 20,
  corrects: 0.6,
  correctDelay: 5,
  slips: 0,
  clockSpread: 0,
  errors: 0,
  slow: 0,
};

type ArmChanges = Partial<Omit<ArmWorld, 'accuracy'>> & { accuracy?: number | ArmWorld['accuracy'] };

/** Two arms of ordinary users; what differs is named. */
export function world(
  baseline: ArmChanges,
  canary: ArmChanges,
  changes: Partial<Omit<World, Arm>> = {},
): World {
  return {
    baseline: armWorld(baseline),
    canary: armWorld(canary),
    shares: [0.1],
    buckets: 200,
    predictionsPerBucket: 600,
    predictionsPerUser: 1,
    correlation: 0,
    countsPredictions: false,
    ...changes,
  };
}

function armWorld({ accuracy, ...rest }: ArmChanges): ArmWorld {
  const constant = accuracy ?? 0.8;
  return { ...USERS, ...rest, accuracy: typeof constant === 'number' ? () => constant : constant };
}

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Lives through the whole time and hands over what the judge is given at its end. */
export function live(world: World, seed: number, policy: PartialPolicy = {}): JudgementInput {
  const random = randomFrom(seed);
  const rows: BucketRow[] = [];
  for (let i = 0; i < world.buckets; i++) rows.push(...liveOneBucket(world, i, random));
  return {
    rows,
    baseline: 'v1',
    canary: 'v2',
    startedAt: STARTED_AT,
    splits: splitsOf(world),
    ramp: world.shares.length > 1 ? world.shares : null,
    policy: completePolicy({ bucketSeconds: BUCKET_SECONDS, ageEdgesSeconds: EDGES, ...policy }),
    asOf: STARTED_AT + world.buckets * WIDTH,
    lagSeconds: 0,
  };
}

/** Bucket of the verdict, counted from the canary's start; null without one. */
export function bucketOf({ decidedAt }: Judgement): number | null {
  return decidedAt === null ? null : (decidedAt - STARTED_AT) / WIDTH;
}

export function judgeWorld(world: World, seed: number, policy?: PartialPolicy): Judgement {
  return judgeCanary(live(world, seed, policy));
}

function shareAt({ shares, buckets }: World, i: number): number {
  return shares[Math.floor((i / buckets) * shares.length)]!;
}

function splitsOf({ shares, buckets }: World): SplitChange[] {
  return shares.map((share, k) => ({
    at: STARTED_AT + Math.ceil((k * buckets) / shares.length) * WIDTH,
    split: { v1: 1 - share, v2: share },
  }));
}

interface Fate {
  bin: number;
  saysRight: boolean;
}

function liveOneBucket(world: World, i: number, random: () => number): BucketRow[] {
  const rows = { baseline: emptyRow('v1', i), canary: emptyRow('v2', i) };
  const users = Math.round(world.predictionsPerBucket / world.predictionsPerUser);
  for (let user = 0; user < users; user++) {
    const arm: Arm = random() < (world.routed ?? shareAt(world, i)) ? 'canary' : 'baseline';
    liveOneUser(world, world[arm], i / world.buckets, rows[arm], random);
  }
  return [rows.baseline, rows.canary];
}

function liveOneUser(
  world: World,
  arm: ArmWorld,
  progress: number,
  row: BucketRow,
  random: () => number,
): void {
  const fates: (Fate | null)[] = [fateOf(arm, progress, random)];
  const shared = world.correlation > 0 && random() < world.correlation;
  for (let k = 1; k < world.predictionsPerUser; k++) {
    fates.push(shared ? fates[0]! : fateOf(arm, progress, random));
  }
  row.newcomers++;
  row.predictions += fates.length;
  if (world.countsPredictions) for (const fate of fates) countSubject(row, [fate], arm, random);
  else countSubject(row, fates, arm, random);
}

function fateOf(arm: ArmWorld, progress: number, random: () => number): Fate | null {
  const isRight = random() < arm.accuracy(progress);
  if (random() >= (isRight ? arm.confirms : arm.corrects)) return null;
  let age = -Math.log(1 - random()) * (isRight ? arm.confirmDelay : arm.correctDelay);
  if (arm.clockSpread > 0) age = Math.max(0, age + arm.clockSpread * normal(random));
  const bin = binOf(age * BUCKET_SECONDS);
  if (bin === null) return null;
  return { bin, saysRight: arm.slips > 0 && random() < arm.slips ? !isRight : isRight };
}

function binOf(ageSeconds: number): number | null {
  for (let bin = 0; bin + 1 < EDGES.length; bin++) if (ageSeconds < EDGES[bin + 1]!) return bin;
  return null;
}

/** Adds one subject's means to every cell in which some of its predictions were still at risk. */
function countSubject(
  row: BucketRow,
  fates: readonly (Fate | null)[],
  arm: ArmWorld,
  random: () => number,
): void {
  row.subjects++;
  row.timedSubjects++;
  if (arm.errors > 0 && random() < arm.errors) row.errors++;
  if (arm.slow > 0 && random() < arm.slow) row.slow++;
  let atRisk = fates.length;
  for (let bin = 0; bin + 1 < EDGES.length && atRisk > 0; bin++) {
    let right = 0;
    let wrong = 0;
    for (const fate of fates) {
      if (fate === null || fate.bin !== bin) continue;
      if (fate.saysRight) right++;
      else wrong++;
    }
    row.atRisk[bin]! += 1;
    row.right[bin]! += right / atRisk;
    row.wrong[bin]! += wrong / atRisk;
    atRisk -= right + wrong;
  }
}

function emptyRow(version: string, i: number): BucketRow {
  const zeros = (): number[] => Array.from({ length: EDGES.length - 1 }, () => 0);
  return {
    version,
    bucket: STARTED_AT + i * WIDTH,
    predictions: 0,
    subjects: 0,
    errors: 0,
    timedSubjects: 0,
    slow: 0,
    newcomers: 0,
    atRisk: zeros(),
    right: zeros(),
    wrong: zeros(),
  };
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
