/** What a judgement of a challenger rests on and what it says. */
import type { ChallengerPolicy, ClaimOnChallenger } from '../event/challenger.js';
import type { PairPattern } from './paired.js';

/** Subjects of one bucket whose predictions had the same fate, with sums over all their predictions. */
export interface PairRow extends PairPattern {
  /** Start of the bucket, milliseconds; a multiple of the policy's bucketSeconds. */
  bucket: number;
  /** Labelled, shown answer right. */
  right: number;
  /** Both versions' first candidates were the same. */
  agreed: number;
  /** The challenger gave no answer. */
  failed: number;
}

/** ready: make it the canary. worse: do not. */
export type ChallengerVerdict = 'ready' | 'worse' | 'undecided' | 'insufficient';

/** All that a judgement rests on. */
export interface ChallengerInput {
  baseline: string;
  challenger: string;
  rows: readonly PairRow[];
  policy: ChallengerPolicy;
  /** The rows hold everything that happened before this moment, milliseconds. */
  asOf: number;
  /** How far the rows are behind the events, seconds. */
  lagSeconds: number;
}

/** How far a claim has come. */
export interface ClaimState {
  name: ClaimOnChallenger;
  status: 'shown' | 'open';
  /** E; shown when it reaches the threshold, until it falls below 1 again. */
  evidence: number;
  threshold: number;
  /** End of the range of labelling odds that it is held against. */
  labelOdds: number;
  /** Up to which odds it would be shown now ("within"), or from which on ("worse"); null: at none. */
  holdsAtLabelOdds: number | null;
}

/** Labelled predictions whose time to be labelled is over, by which of the two answers were right. */
export interface PairCounts {
  bothRight: number;
  onlyShownRight: number;
  onlyChallengerRight: number;
  bothWrong: number;
  /** The shown answer was wrong, and it cannot be told whether the challenger's was right. */
  shownWrong: number;
}

/** The verdict with everything that led to it. */
export interface ChallengerJudgement {
  verdict: ChallengerVerdict;
  reason: string;
  /** End of the bucket whose labels showed it; null while nothing is shown. */
  decidedAt: number | null;
  claims: ClaimState[];
  pairs: PairCounts;
  /** How many times as many wrong answers the challenger gives, at the lowest and highest odds; null: no wrong ones. */
  wrongRatio: [number, number] | null;
  /** Share of right shown answers that the labels mean at the lowest and highest odds; null without labels. */
  shownAccuracy: [number, number] | null;
  /** Of all predictions that both answered, labelled or not: how many, and the share with the same first candidate. */
  shadowed: { predictions: number; agreement: number | null; failed: number };
  /** Labels still to be expected before a verdict; absent when that cannot be told. */
  labelsNeeded?: number;
}
