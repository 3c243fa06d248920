/** Whether an event from outside fits what its stream already holds. */
import { type NewEvent, payloadOf, type StoredEvent } from '../event/envelope.js';
import {
  CORRECTION_RETRACTED,
  foldPrediction,
  PREDICTION_CORRECTED,
  PREDICTION_FAILED,
  PREDICTION_RECORDED,
  PREDICTION_SHADOWED,
  type PredictionCorrected,
  type PredictionShadowed,
} from '../event/prediction.js';
import { refusalOf } from './correct.command.js';

/**
 * What speaks against an event; null when it may be appended. Only what can be known is refused: a correction
 * that comes before its prediction waits for it.
 * @param history the stream so far, with the events of the same request that come before this one
 */
export function refusalInHistory(event: NewEvent, history: readonly NewEvent[]): string | null {
  if (history.length === 0) return null;
  switch (event.type) {
    case PREDICTION_RECORDED:
    case PREDICTION_FAILED: {
      const earlier = history.find(({ type }) => type === PREDICTION_RECORDED || type === PREDICTION_FAILED);
      return earlier === undefined ? null : `the prediction was recorded before, by event "${earlier.id}"`;
    }
    case PREDICTION_CORRECTED:
      return correctionRefusal(event, history);
    case PREDICTION_SHADOWED:
      return shadowRefusal(event, history);
    case CORRECTION_RETRACTED:
    default:
      return null;
  }
}

function shadowRefusal(event: NewEvent, history: readonly NewEvent[]): string | null {
  const { version } = payloadOf<PredictionShadowed>(event);
  const { answer, shadows } = foldPrediction(history.map(asStored));
  if (answer?.version === version) {
    return `/data/version "${version}" answered the prediction itself: it cannot be its own challenger`;
  }
  if (!shadows.some((shadow) => shadow.version === version)) return null;
  return `what "${version}" answered in the shadow was recorded before`;
}

function correctionRefusal(event: NewEvent, history: readonly NewEvent[]): string | null {
  const correction = payloadOf<PredictionCorrected>(event);
  const { answer, corrections } = foldPrediction(history.map(asStored));
  if (corrections.some(({ correctionId }) => correctionId === correction.correctionId)) {
    return `the correctionId "${correction.correctionId}" is taken by another correction of this prediction`;
  }
  if (answer === null) return null;
  const refused = refusalOf(correction, answer, event.occurredAt, event.occurredAt);
  if (refused === null) return null;
  return refused.pointer === '/rank' ? `/data/rank ${refused.detail}` : `/time ${refused.detail}`;
}

/** The fold looks at neither place nor store time of events that are not stored yet. */
function asStored(event: NewEvent, revision: number): StoredEvent {
  return { stream: '', position: '', recordedAt: event.occurredAt, ...event, revision };
}
