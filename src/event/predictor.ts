/**
 * The events in the stream of one predictor, and their fold: its versions, the traffic split in force, and
 * the canary that runs, if any.
 */
import { payloadOf, type StoredEvent } from './envelope.js';
import {
  afterRedeployment,
  afterSplit,
  CHALLENGER_STARTED,
  CHALLENGER_STOPPED,
  type ChallengerStarted,
  type ChallengerStopped,
  type RunningChallenger,
  withChallenger,
  withoutChallenger,
} from './challenger.js';
import type { Policy } from './policy.js';

export interface BackendSpec {
  kind: string;
  [setting: string]: unknown;
}

/** Version -> share of the traffic; shares sum to 1. */
export type Split = Record<string, number>;

/** `assay.predictor.deployed` */
export interface PredictorDeployed {
  predictor: string;
  version: string;
  backend: BackendSpec;
}

/** `assay.predictor.traffic_split` */
export interface TrafficSplit {
  predictor: string;
  split: Split;
  /** The canary whose ramp this step belongs to; without it the traffic was moved by hand. */
  canary?: string;
  reason?: string;
}

/** `assay.predictor.canary_started` */
export interface CanaryStarted {
  predictor: string;
  baseline: string;
  canary: string;
  policy: Policy;
  ramp?: number[];
}

export type Verdict = 'promote' | 'hold' | 'rollback' | 'insufficient';

/** `assay.predictor.canary_judged`: the first promote or rollback, written once per canary. */
export interface CanaryJudged {
  predictor: string;
  canary: string;
  verdict: 'promote' | 'rollback';
  reason: string;
  evidence: unknown;
}

/** `assay.predictor.promoted` and `assay.predictor.rolled_back` */
export interface CanaryEnded {
  predictor: string;
  version: string;
  reason?: string;
}

/** `assay.predictor.canary_paused` and `assay.predictor.canary_resumed` */
export interface RampHalted {
  predictor: string;
  canary: string;
  reason?: string;
}

export const PREDICTOR_DEPLOYED = 'assay.predictor.deployed';
export const TRAFFIC_SPLIT = 'assay.predictor.traffic_split';
export const CANARY_STARTED = 'assay.predictor.canary_started';
export const CANARY_JUDGED = 'assay.predictor.canary_judged';
export const CANARY_PAUSED = 'assay.predictor.canary_paused';
export const CANARY_RESUMED = 'assay.predictor.canary_resumed';
export const PROMOTED = 'assay.predictor.promoted';
export const ROLLED_BACK = 'assay.predictor.rolled_back';

export interface DeployedVersion {
  version: string;
  backend: BackendSpec;
  deployedAt: number;
}

export interface RunningCanary {
  baseline: string;
  canary: string;
  policy: Policy;
  /** Shares through which the service moves it, ascending; null: its traffic is moved by hand. */
  ramp: number[] | null;
  /** Since when it has its present share, milliseconds. */
  stepAt: number;
  /** Since when, and why, the service moves it no further; null while it does. */
  paused: { at: number; reason: string | null } | null;
  startedAt: number;
  /** Revision of the event that started it: names the canary among several of the same version. */
  startedRevision: number;
  judged: (CanaryJudged & { at: number }) | null;
}

export interface SplitChange {
  at: number;
  split: Split;
}

export interface PredictorState {
  versions: Map<string, DeployedVersion>;
  split: Split;
  /** Every split that was in force, oldest first. */
  splits: SplitChange[];
  canary: RunningCanary | null;
  /** Versions that answer beside, unseen by users, in the order in which they started. */
  challengers: RunningChallenger[];
}

export function emptyPredictor(): PredictorState {
  return { versions: new Map(), split: {}, splits: [], canary: null, challengers: [] };
}

/**
 * What a stream `predictor-<name>` adds up to. Events count in the order in which they happened, so that a
 * back-filled past stays the past.
 */
export function foldPredictor(events: readonly StoredEvent[]): PredictorState {
  const inOrder = [...events].sort((a, b) => a.occurredAt - b.occurredAt || a.revision - b.revision);
  const state = emptyPredictor();
  for (const event of inOrder) apply(state, event);
  return state;
}

function apply(state: PredictorState, event: StoredEvent): void {
  switch (event.type) {
    case PREDICTOR_DEPLOYED:
      return deployed(state, payloadOf<PredictorDeployed>(event), event.occurredAt);
    case TRAFFIC_SPLIT:
      return trafficSplit(state, payloadOf<TrafficSplit>(event), event.occurredAt);
    case CANARY_STARTED: {
      const { baseline, canary, policy, ramp } = payloadOf<CanaryStarted>(event);
      state.canary = {
        baseline,
        canary,
        // Canaries of an older service have no scores.
        policy: { ...policy, scores: policy.scores ?? [] },
        ramp: ramp ?? null,
        stepAt: event.occurredAt,
        paused: null,
        startedAt: event.occurredAt,
        startedRevision: event.revision,
        judged: null,
      };
      return;
    }
    case CANARY_JUDGED: {
      const judged = payloadOf<CanaryJudged>(event);
      if (state.canary?.canary === judged.canary) state.canary.judged ??= { ...judged, at: event.occurredAt };
      return;
    }
    case CANARY_PAUSED: {
      const { canary, reason } = payloadOf<RampHalted>(event);
      if (state.canary?.canary === canary)
        state.canary.paused ??= { at: event.occurredAt, reason: reason ?? null };
      return;
    }
    case CANARY_RESUMED: {
      const { canary } = payloadOf<RampHalted>(event);
      if (state.canary?.canary === canary) state.canary.paused = null;
      return;
    }
    case PROMOTED: {
      const { version } = payloadOf<CanaryEnded>(event);
      if (state.canary?.canary === version) state.canary = null;
      return split(state, { [version]: 1 }, event.occurredAt);
    }
    case ROLLED_BACK: {
      const { version } = payloadOf<CanaryEnded>(event);
      const remaining = splitWithout(state.split, version, state.canary?.baseline);
      if (state.canary?.canary === version) state.canary = null;
      return split(state, remaining, event.occurredAt);
    }
    case CHALLENGER_STARTED: {
      const started = payloadOf<ChallengerStarted>(event);
      state.challengers = withChallenger(state.challengers, started, event.occurredAt);
      return;
    }
    case CHALLENGER_STOPPED: {
      const { challenger } = payloadOf<ChallengerStopped>(event);
      state.challengers = withoutChallenger(state.challengers, challenger);
      return;
    }
  }
}

function deployed(state: PredictorState, { version, backend }: PredictorDeployed, at: number): void {
  const isFirst = state.versions.size === 0 && Object.keys(state.split).length === 0;
  state.versions.set(version, { version, backend, deployedAt: at });
  state.challengers = afterRedeployment(state.challengers, version, at);
  if (isFirst) split(state, { [version]: 1 }, at);
}

function trafficSplit(
  state: PredictorState,
  { split: next, canary, reason }: TrafficSplit,
  at: number,
): void {
  split(state, next, at);
  const running = state.canary;
  if (running === null) return;
  running.stepAt = at;
  // Who moves the traffic of a ramp by hand does not want to be overruled a moment later.
  const isByHand = running.ramp !== null && canary !== running.canary;
  if (isByHand) running.paused ??= { at, reason: reason ?? 'the traffic was split by hand' };
}

function split(state: PredictorState, next: Split, at: number): void {
  state.split = next;
  state.splits.push({ at, split: next });
  const serving = state.canary === null ? (servingVersion(state) ?? null) : null;
  state.challengers = afterSplit(state.challengers, next, serving, at);
}

/** The version with the largest share; of equals, the first by name. Undefined before the first deployment. */
export function servingVersion(state: PredictorState): string | undefined {
  return Object.entries(state.split).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))[0]?.[0];
}

/** `version` receives `share`, the others keep their proportions in what is left. */
export function splitWith(split: Split, version: string, share: number): Split {
  const others = Object.entries(split).filter(([name, part]) => name !== version && part > 0);
  const sum = others.reduce((total, [, part]) => total + part, 0);
  const next: Split = {};
  for (const [name, part] of others) next[name] = (part / sum) * (1 - share);
  next[version] = share;
  return next;
}

/** The first share of a ramp above the present one; null when all that is left is 1, which is the promotion. */
export function nextRampShare(ramp: readonly number[], share: number): number | null {
  return ramp.find((step) => step > share + 1e-9 && step < 1) ?? null;
}

/** What remains of a split once `version` receives nothing; `fallback` when it had everything. */
export function splitWithout(split: Split, version: string, fallback?: string): Split {
  const others = Object.entries(split).filter(([name, part]) => name !== version && part > 0);
  const sum = others.reduce((total, [, part]) => total + part, 0);
  if (sum > 0) return Object.fromEntries(others.map(([name, part]) => [name, part / sum]));
  return fallback === undefined ? split : { [fallback]: 1 };
}
