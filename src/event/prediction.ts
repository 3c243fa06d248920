/**
 * The events in the stream of one prediction, and their fold to the outcome: which candidate, if any, was
 * right. The warehouse says the same in SQL (projection/derivations.ts); a property test holds them together.
 */
import { payloadOf, type StoredEvent } from './envelope.js';

export interface Candidate {
  label: string;
  /** In [0, 1] for most predictors; any finite number is kept as given. */
  confidence?: number | null;
}

/** `assay.prediction.recorded` */
export interface PredictionRecorded {
  predictionId: string;
  predictor: string;
  version: string;
  input: unknown;
  /** Best first; what was shown to the user. */
  candidates: Candidate[];
  /** HMAC of the subject, never the subject itself. */
  subject?: string | undefined;
  latencyMs?: number;
  metadata?: Record<string, unknown> | undefined;
  /** The caller named the version: not drawn by the split, so it says nothing in a canary. */
  pinned?: boolean | undefined;
}

export type FailureKind = 'timeout' | 'unreachable' | 'rejected' | 'invalid';

/** `assay.prediction.failed` */
export interface PredictionFailed {
  predictionId: string;
  predictor: string;
  version: string;
  input: unknown;
  error: { kind: FailureKind; message: string };
  subject?: string | undefined;
  latencyMs?: number;
  metadata?: Record<string, unknown> | undefined;
  pinned?: boolean | undefined;
}

/** `assay.prediction.corrected`: exactly one of rank, label, none. */
export interface PredictionCorrected {
  predictionId: string;
  correctionId: string;
  /** Index of the candidate that was right, from 0. */
  rank?: number;
  /** The right label, whether it was among the candidates or not. */
  label?: string;
  /** Nothing was right, and the right label is not known. */
  none?: true;
  actor?: string;
  comment?: string;
}

/** `assay.prediction.correction_retracted` */
export interface CorrectionRetracted {
  predictionId: string;
  correctionId: string;
  actor?: string;
}

/** `assay.prediction.shadowed`: what a version that users do not see answered to the same input. */
export interface PredictionShadowed {
  predictionId: string;
  predictor: string;
  /** The challenger's; exactly one of candidates and error. */
  version: string;
  candidates?: Candidate[];
  error?: { kind: FailureKind; message: string };
  latencyMs?: number;
}

export const PREDICTION_RECORDED = 'assay.prediction.recorded';
export const PREDICTION_FAILED = 'assay.prediction.failed';
export const PREDICTION_CORRECTED = 'assay.prediction.corrected';
export const CORRECTION_RETRACTED = 'assay.prediction.correction_retracted';
export const PREDICTION_SHADOWED = 'assay.prediction.shadowed';

/** right: the first candidate; ranked: a later one; missed: none of them. */
export type OutcomeStatus = 'right' | 'ranked' | 'missed';

export interface Outcome {
  status: OutcomeStatus;
  /** Rank of the right candidate, from 0; null when missed. */
  rank: number | null;
  /** The right label; null when the user only said that none was right. */
  label: string | null;
}

export interface CorrectionState extends PredictionCorrected {
  occurredAt: number;
  recordedAt: number;
  revision: number;
  retracted: boolean;
}

export interface ShadowState extends PredictionShadowed {
  occurredAt: number;
  recordedAt: number;
}

export interface PredictionState {
  /** What was answered, or how it failed; null while only corrections have arrived. */
  answer:
    | ({ status: 'ok' } & PredictionRecorded & AnswerTimes)
    | ({ status: 'failed' } & PredictionFailed & AnswerTimes)
    | null;
  /** In the order in which they were recorded, the retracted ones included. */
  corrections: CorrectionState[];
  /** The first answer of each version that answered beside, in the order in which they were recorded. */
  shadows: ShadowState[];
}

interface AnswerTimes {
  eventId: string;
  occurredAt: number;
  recordedAt: number;
}

/** What a stream `prediction-<id>` adds up to. */
export function foldPrediction(events: readonly StoredEvent[]): PredictionState {
  const state: PredictionState = { answer: null, corrections: [], shadows: [] };
  const retracted = new Set<string>();
  for (const event of events) {
    switch (event.type) {
      case PREDICTION_RECORDED:
        state.answer ??= { status: 'ok', ...payloadOf<PredictionRecorded>(event), ...answerTimes(event) };
        break;
      case PREDICTION_FAILED:
        state.answer ??= { status: 'failed', ...payloadOf<PredictionFailed>(event), ...answerTimes(event) };
        break;
      case PREDICTION_CORRECTED:
        state.corrections.push({
          ...payloadOf<PredictionCorrected>(event),
          occurredAt: event.occurredAt,
          recordedAt: event.recordedAt,
          revision: event.revision,
          retracted: false,
        });
        break;
      case CORRECTION_RETRACTED:
        retracted.add(payloadOf<CorrectionRetracted>(event).correctionId);
        break;
      case PREDICTION_SHADOWED:
        addShadow(state.shadows, event);
        break;
    }
  }
  // A retraction may have been recorded ahead of what it retracts.
  for (const correction of state.corrections) correction.retracted = retracted.has(correction.correctionId);
  return state;
}

function addShadow(shadows: ShadowState[], event: StoredEvent): void {
  const shadow = payloadOf<PredictionShadowed>(event);
  if (shadows.some(({ version }) => version === shadow.version)) return;
  shadows.push({ ...shadow, occurredAt: event.occurredAt, recordedAt: event.recordedAt });
}

function answerTimes(event: StoredEvent): AnswerTimes {
  return { eventId: event.id, occurredAt: event.occurredAt, recordedAt: event.recordedAt };
}

/** The correction in force: the latest by (occurredAt, revision) that is not retracted. */
export function correctionInForce(corrections: readonly CorrectionState[]): CorrectionState | null {
  let latest: CorrectionState | null = null;
  for (const correction of corrections) {
    if (correction.retracted) continue;
    if (latest === null || isLater(correction, latest)) latest = correction;
  }
  return latest;
}

function isLater(a: CorrectionState, b: CorrectionState): boolean {
  return a.occurredAt > b.occurredAt || (a.occurredAt === b.occurredAt && a.revision > b.revision);
}

/** What a prediction's corrections say about it; null while nothing was said, or the answer is not known yet. */
export function outcomeOf(state: Pick<PredictionState, 'answer' | 'corrections'>): Outcome | null {
  const correction = correctionInForce(state.corrections);
  if (correction === null || state.answer === null) return null;
  const candidates = state.answer.status === 'ok' ? state.answer.candidates : [];
  return judgeCorrection(correction, candidates);
}

function judgeCorrection(correction: PredictionCorrected, candidates: readonly Candidate[]): Outcome {
  const rank = rankOf(correction, candidates);
  if (rank === null) return { status: 'missed', rank: null, label: correction.label ?? null };
  return { status: rank === 0 ? 'right' : 'ranked', rank, label: candidates[rank]?.label ?? null };
}

/** A rank beyond the candidates (possible when the correction came first) points at nothing. */
function rankOf(correction: PredictionCorrected, candidates: readonly Candidate[]): number | null {
  if (correction.rank !== undefined) return correction.rank < candidates.length ? correction.rank : null;
  if (correction.label === undefined) return null;
  const index = candidates.findIndex((candidate) => candidate.label === correction.label);
  return index === -1 ? null : index;
}
