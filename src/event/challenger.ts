/** A challenger: a version that answers beside the one that serves, unseen by users, and the terms on which it is judged. */

/** `assay.predictor.challenger_started` */
export interface ChallengerStarted {
  predictor: string;
  /** The version whose answers users see at that moment. */
  baseline: string;
  challenger: string;
  policy: ChallengerPolicy;
}

/** `assay.predictor.challenger_stopped` */
export interface ChallengerStopped {
  predictor: string;
  challenger: string;
  reason?: string;
}

export const CHALLENGER_STARTED = 'assay.predictor.challenger_started';
export const CHALLENGER_STOPPED = 'assay.predictor.challenger_stopped';

/** Each is asked at every prediction: so many at most. */
export const CHALLENGERS_LIMIT = 3;

/** The two things that may be shown of a challenger (verdict/paired.ts). */
export const CLAIMS_ON_CHALLENGER = ['within', 'worse'] as const;

export type ClaimOnChallenger = (typeof CLAIMS_ON_CHALLENGER)[number];

export interface ChallengerPolicy {
  /** Share of additional wrong answers that is still acceptable, in (0, 1]. */
  tolerance: number;
  /** A candidate counts as right when its rank is below this, 1 to 100. */
  rightWithin: number;
  /**
   * How many times as readily users label an answer that is wrong as one that is right: a range in which the
   * truth is believed to lie, ascending, in [0.01, 1000]. [1, 1] where everything is labelled.
   */
  labelOdds: [number, number];
  /** Only a label that comes within so long after its prediction counts, and only then it is looked at; seconds. */
  labelWindowSeconds: number;
  /** Width of the stretches of time in which a subject is one piece of evidence, seconds. */
  bucketSeconds: number;
  /** A projection older than this leads to no good verdict, seconds. */
  maxLagSeconds: number;
  /** Error probability allowed to each claim, in (0, 0.5]. */
  alpha: Record<ClaimOnChallenger, number>;
}

/** A policy as a caller gives it: whatever is missing is taken from the defaults. */
export type PartialChallengerPolicy = Partial<Omit<ChallengerPolicy, 'alpha'>> & {
  alpha?: Partial<ChallengerPolicy['alpha']>;
};

export const DEFAULT_CHALLENGER_POLICY: ChallengerPolicy = {
  tolerance: 0.1,
  rightWithin: 1,
  labelOdds: [1, 4],
  labelWindowSeconds: 18_000,
  bucketSeconds: 300,
  maxLagSeconds: 300,
  alpha: { within: 0.05, worse: 0.03 },
};

export function completeChallengerPolicy(given: PartialChallengerPolicy = {}): ChallengerPolicy {
  const base = DEFAULT_CHALLENGER_POLICY;
  return { ...base, ...given, alpha: { ...base.alpha, ...given.alpha } };
}

export interface RunningChallenger {
  challenger: string;
  /** The version whose answers it is compared with: the one that serves. */
  baseline: string;
  policy: ChallengerPolicy;
  startedAt: number;
  /** Since when the two are what they are now: only predictions from then on are compared, milliseconds. */
  comparedSince: number;
}

/** The challengers after one has started; one of the same version starts anew, and of too many the oldest ends. */
export function withChallenger(
  challengers: readonly RunningChallenger[],
  { challenger, baseline, policy }: ChallengerStarted,
  at: number,
): RunningChallenger[] {
  const others = withoutChallenger(challengers, challenger);
  const started = { challenger, baseline, policy, startedAt: at, comparedSince: at };
  return [...others, started].slice(-CHALLENGERS_LIMIT);
}

export function withoutChallenger(
  challengers: readonly RunningChallenger[],
  version: string,
): RunningChallenger[] {
  return challengers.filter(({ challenger }) => challenger !== version);
}

/**
 * The challengers after the traffic has moved: one that users see is none any more, and one whose opposite was
 * replaced is compared with the new one, from then on.
 * @param serving null while a canary runs, whose release decides what serves
 */
export function afterSplit(
  challengers: readonly RunningChallenger[],
  split: Readonly<Record<string, number>>,
  serving: string | null,
  at: number,
): RunningChallenger[] {
  return challengers
    .filter(({ challenger }) => (split[challenger] ?? 0) === 0)
    .map((one) =>
      serving === null || one.baseline === serving ? one : { ...one, baseline: serving, comparedSince: at },
    );
}

/** The challengers after a version was deployed again, which may answer otherwise from then on. */
export function afterRedeployment(
  challengers: readonly RunningChallenger[],
  version: string,
  at: number,
): RunningChallenger[] {
  return challengers.map((one) =>
    one.challenger === version || one.baseline === version ? { ...one, comparedSince: at } : one,
  );
}
