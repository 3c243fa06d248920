/** The events that a service would have stored, had it seen what rows of a warehouse say. */
import type { StoredEvent } from '#assay/event/envelope.js';
import {
  CORRECTION_RETRACTED,
  PREDICTION_CORRECTED,
  PREDICTION_FAILED,
  PREDICTION_RECORDED,
} from '#assay/event/prediction.js';

/** A row of `predictions`; times in milliseconds. */
export interface PredictionRow {
  prediction_id: string;
  predictor: string;
  version: string;
  subject: string | null;
  predicted_at: number;
  recorded_at: number;
  status: 'ok' | 'failed';
  error_kind: string | null;
  candidates: { label: string; confidence: number }[];
  latency_ms: number | null;
  pinned: boolean;
}

/** A row of `corrections`. */
export interface CorrectionRow {
  correction_id: string;
  prediction_id: string;
  kind: 'corrected' | 'retracted';
  rank: number | null;
  label: string | null;
  none: boolean;
  corrected_at: number;
  recorded_at: number;
  revision: number;
}

export interface Filed {
  predictions: PredictionRow[];
  corrections: CorrectionRow[];
}

/** All events in the order in which they were recorded. */
export function eventsOf({ predictions, corrections }: Filed): StoredEvent[] {
  return [...predictions.map(predictionEvent), ...corrections.map(correctionEvent)].sort(
    (a, b) => a.recordedAt - b.recordedAt || a.revision - b.revision,
  );
}

function predictionEvent(row: PredictionRow): StoredEvent {
  const data = {
    predictor: row.predictor,
    version: row.version,
    ...(row.subject === null ? {} : { subject: row.subject }),
    ...(row.pinned ? { pinned: true } : {}),
    ...(row.latency_ms === null ? {} : { latencyMs: row.latency_ms }),
    ...(row.status === 'failed'
      ? { error: { kind: row.error_kind } }
      : { candidates: row.candidates.map(({ label, confidence }) => ({ label, confidence })) }),
  };
  const type = row.status === 'failed' ? PREDICTION_FAILED : PREDICTION_RECORDED;
  return stored(row.prediction_id, 0, type, row.predicted_at, row.recorded_at, data);
}

function correctionEvent(row: CorrectionRow): StoredEvent {
  const says = row.none ? { none: true } : row.rank === null ? { label: row.label } : { rank: row.rank };
  const data = { correctionId: row.correction_id, ...(row.kind === 'corrected' ? says : {}) };
  const type = row.kind === 'corrected' ? PREDICTION_CORRECTED : CORRECTION_RETRACTED;
  return stored(row.prediction_id, row.revision, type, row.corrected_at, row.recorded_at, data);
}

function stored(
  prediction: string,
  revision: number,
  type: string,
  occurredAt: number,
  recordedAt: number,
  data: object,
): StoredEvent {
  return {
    id: `${prediction}-${revision}`,
    stream: `prediction-${prediction}`,
    revision,
    type,
    schemaVersion: 1,
    occurredAt,
    recordedAt,
    predictor: 'p',
    causationId: null,
    traceparent: null,
    position: '',
    payload: JSON.stringify(data),
  };
}
