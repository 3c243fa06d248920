/**
 * A made-up world in which a canary runs: users get answers, and some of them say later whether these were
 * right. It holds what is true and what users do; bench/world-rows.ts makes the rows of a warehouse from it.
 */
import { completePolicy, type PartialPolicy, type Policy } from '#assay/event/policy.js';
import type { SplitChange } from '#assay/event/predictor.js';
import type { BucketRow } from '#assay/verdict/cells.js';
import type { Judgement, JudgementInput } from '#assay/verdict/verdict.js';

/** A number that may change as the canary goes on: by progress in [0, 1). */
export type Course = (progress: number) => number;

/** How one version's users fare. */
export interface ArmWorld {
  /** Share of right answers. */
  accuracy: Course;
  /** Probability that a right answer is confirmed, and the mean delay in buckets (exponential). */
  confirms: number;
  confirmDelay: number;
  /** The same for wrong answers and corrections. */
  corrects: number;
  correctDelay: number;
  /** Probability that the first label says the opposite of the truth, and is superseded later. */
  slips: number;
  /** Whether a first label of that kind is also retracted, at the moment at which it is superseded. */
  retracts: boolean;
  /** Standard deviation of the clocks that date labels, buckets. */
  clockSpread: number;
  /** Probability that a prediction fails; that an answer takes 900 ms in place of 100. */
  errors: number;
  slow: number;
  /** Probability that a prediction reaches the log late, and the mean of how late, buckets (exponential). */
  late: number;
  lateBy: number;
}

export interface World {
  baseline: ArmWorld;
  canary: ArmWorld;
  /** Canary's share, in equal stretches of the whole time. */
  shares: number[];
  /** Share that the router really sends, when it is not the configured one. */
  routed?: number;
  buckets: number;
  predictionsPerBucket: Course;
  /** Predictions of one user within a bucket ... */
  predictionsPerUser: number;
  /** ... and the share of users all of whose predictions share one fate. */
  correlation: number;
  /** Number of users, who come back at random, or null where nobody does. */
  users: number | null;
  /** Predictions come without a subject, so that each is its own, whoever made it. */
  anonymous: boolean;
  /** Share of predictions that name the canary themselves, and how many of those are right. */
  pinned: number;
  pinnedAccuracy: number;
  /** How often the judge is asked, in buckets: each time it knows what had been recorded by then. */
  askedEvery: number | null;
  /** Counts the evidence that the canary is worse from the start alone, as the judge does not. */
  withoutRestarts: boolean;
  /** What differs from the default policy. */
  policy: PartialPolicy;
}

export const BUCKET_SECONDS = 300;
export const WIDTH = BUCKET_SECONDS * 1000;
export const EDGES = [0, 300, 900, 2400, 6000, 18_000];
export const STARTED_AT = Date.UTC(2026, 0, 5);

const USERS: Omit<ArmWorld, 'accuracy'> = {
  confirms: 0.3,
  confirmDelay: 20,
  corrects: 0.6,
  correctDelay: 5,
  slips: 0,
  retracts: false,
  clockSpread: 0,
  errors: 0,
  slow: 0,
  late: 0,
  lateBy: 0,
};

type ArmChanges = Partial<Omit<ArmWorld, 'accuracy'>> & { accuracy?: number | Course };
type WorldChanges = Partial<Omit<World, 'baseline' | 'canary' | 'predictionsPerBucket'>> & {
  predictionsPerBucket?: number | Course;
};

/** Two arms of ordinary users; what differs is named. */
export function world(baseline: ArmChanges, canary: ArmChanges, changes: WorldChanges = {}): World {
  const { predictionsPerBucket = 600, ...rest } = changes;
  return {
    baseline: armWorld(baseline),
    canary: armWorld(canary),
    shares: [0.1],
    buckets: 200,
    predictionsPerBucket: courseOf(predictionsPerBucket),
    predictionsPerUser: 1,
    correlation: 0,
    users: null,
    anonymous: false,
    pinned: 0,
    pinnedAccuracy: 0,
    askedEvery: null,
    withoutRestarts: false,
    policy: {},
    ...rest,
  };
}

function armWorld({ accuracy = 0.8, ...rest }: ArmChanges): ArmWorld {
  return { ...USERS, ...rest, accuracy: courseOf(accuracy) };
}

function courseOf(value: number | Course): Course {
  return typeof value === 'number' ? () => value : value;
}

/** The canary's share in a bucket, as it is configured. */
export function shareAt({ shares, buckets }: World, bucket: number): number {
  return shares[Math.floor((bucket / buckets) * shares.length)]!;
}

/** The moment at which a bucket begins, milliseconds. */
export function beginOf(bucket: number): number {
  return STARTED_AT + bucket * WIDTH;
}

export function policyOf({ policy }: World): Policy {
  return completePolicy({ bucketSeconds: BUCKET_SECONDS, ageEdgesSeconds: EDGES, ...policy });
}

/** What the judge is given of this world when it is asked at the end of a bucket. */
export function inputOf(world: World, rows: readonly BucketRow[], asked: number): JudgementInput {
  const input: JudgementInput = {
    rows,
    baseline: 'v1',
    canary: 'v2',
    startedAt: STARTED_AT,
    splits: splitsOf(world),
    ramp: world.shares.length > 1 ? world.shares : null,
    policy: policyOf(world),
    asOf: beginOf(asked),
    lagSeconds: 0,
  };
  return world.withoutRestarts ? withoutRestarts(input) : input;
}

/** The same as if the evidence that the canary is worse were counted from the start alone: with no step to wait for. */
function withoutRestarts(input: JudgementInput): JudgementInput {
  return { ...input, ramp: [] };
}

function splitsOf({ shares, buckets }: World): SplitChange[] {
  return shares.map((share, k) => ({
    at: beginOf(Math.ceil((k * buckets) / shares.length)),
    split: { v1: 1 - share, v2: share },
  }));
}

/** Bucket of the verdict, counted from the canary's start; null without one. */
export function bucketOf({ decidedAt }: Judgement): number | null {
  return decidedAt === null ? null : (decidedAt - STARTED_AT) / WIDTH;
}
