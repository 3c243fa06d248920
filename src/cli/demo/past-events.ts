/** What happened in the demo's past, as the CloudEvents that `POST /v1/events` takes. */
import { v7 } from 'uuid';
import {
  CORRECTION_RETRACTED,
  PREDICTION_CORRECTED,
  PREDICTION_RECORDED,
  type Candidate,
} from '../../event/prediction.js';
import { randomOf, type Random } from './random.js';
import type { Ask, Reaction } from './users.js';

export interface PastEvent {
  specversion: '1.0';
  id: string;
  source: string;
  type: string;
  /** RFC 3339, UTC. */
  time: string;
  data: object;
}

const SOURCE = '/assay/demo';

export function pastEvent(type: string, id: string, at: number, data: object): PastEvent {
  return { specversion: '1.0', id, source: SOURCE, type, time: new Date(at).toISOString(), data };
}

/** An id of the time it stands for, the same for the same seed and time. */
export function pastId(at: number, random: Random): string {
  return v7({ msecs: at, random: Uint8Array.from({ length: 16 }, () => Math.floor(random() * 256)) });
}

export interface Answer {
  candidates: Candidate[];
  latencyMs: number;
}

/** A prediction served elsewhere, and what its user did about it: in the order of happening. */
export function predictionEvents(
  predictor: string,
  version: string,
  ask: Ask,
  answer: Answer,
  reactions: readonly Reaction[],
  seed: number,
): PastEvent[] {
  const random = randomOf(seed, 'ids', ask.index);
  const predictionId = pastId(ask.at, random);
  const { candidates, latencyMs } = answer;
  const { input, subject } = ask;
  const recorded = { predictor, version, input, candidates, subject, latencyMs };
  const events = [pastEvent(PREDICTION_RECORDED, predictionId, ask.at, recorded)];
  let correctionId = '';
  for (const reaction of reactions) {
    const at = Math.round(ask.at + reaction.afterMs);
    const id = pastId(at, random);
    if (reaction.kind === 'correct') {
      correctionId = id;
      events.push(pastEvent(PREDICTION_CORRECTED, id, at, { predictionId, ...reaction.says }));
    } else {
      events.push(pastEvent(CORRECTION_RETRACTED, id, at, { predictionId, correctionId }));
    }
  }
  return events;
}
