/**
 * Asks the challengers of a predictor what they would have answered. The user's answer is on its way by then:
 * nothing here delays it or makes it fail.
 */
import { Inject, Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { RunningChallenger } from '../event/challenger.js';
import { newEvent, predictionStream } from '../event/envelope.js';
import {
  PREDICTION_SHADOWED,
  type PredictionRecorded,
  type PredictionShadowed,
} from '../event/prediction.js';
import type { PredictorState } from '../event/predictor.js';
import { type Backend, BackendFailure } from '../serving/backend.js';
import { Backends } from '../serving/backends.js';
import { ShadowSlots } from '../serving/shadow-slots.js';
import { EVENT_STORE, type EventStore } from '../store/event-store.js';
import type { PredictRequest } from './requests.dto.js';
import { limitOf, shownCandidates } from './shown-candidates.js';
import { TALLY, type Tally } from './tally.js';

/** The prediction that users see, at the first revision of its stream, and what else the call takes. */
export interface Shadowed {
  prediction: PredictionRecorded;
  request: PredictRequest;
  traceparent: string | null;
}

/** The prediction's answer is there; corrections and other shadows may be behind it. */
const FIRST_REVISION = 0;
/** Attempts to append before a stream that others append to all the time is given up. */
const ATTEMPTS = 10;

@Injectable()
export class ShadowCalls {
  constructor(
    @Inject(EVENT_STORE) private readonly store: EventStore,
    private readonly backends: Backends,
    private readonly slots: ShadowSlots,
    @Inject(TALLY) private readonly tally: Tally,
  ) {}

  /** Returns at once. Challengers that are compared with another version than the one that answered are left alone. */
  start(state: PredictorState, shadowed: Shadowed): void {
    const { predictor, version } = shadowed.prediction;
    for (const challenger of state.challengers) {
      if (challenger.baseline !== version) continue;
      const backend = this.backendOf(predictor, state, challenger);
      if (backend === null) continue;
      const work = (): Promise<void> => this.answerAndRecord(backend, challenger.challenger, shadowed);
      if (this.slots.take(predictor, challenger.challenger, work) === 'skipped') {
        this.tally.shadowed(predictor, challenger.challenger, 'skipped');
      }
    }
  }

  /** Null when its answers come from elsewhere (`recorded`). */
  private backendOf(
    predictor: string,
    { versions }: PredictorState,
    { challenger }: RunningChallenger,
  ): Backend | null {
    const deployed = versions.get(challenger);
    return deployed === undefined ? null : this.backends.of(predictor, challenger, deployed.backend);
  }

  private async answerAndRecord(backend: Backend, version: string, shadowed: Shadowed): Promise<void> {
    const { predictor } = shadowed.prediction;
    try {
      const occurredAt = Date.now();
      const answer = await ask(backend, shadowed);
      const isKept = await this.append(version, shadowed, occurredAt, answer);
      const outcome = answer.error === undefined ? 'recorded' : 'failed';
      this.tally.shadowed(predictor, version, isKept ? outcome : 'lost');
    } catch {
      // The store is away: it says so itself, and what the challenger would have said is no user's loss.
      this.tally.shadowed(predictor, version, 'lost');
    }
  }

  private async append(
    version: string,
    { prediction, traceparent }: Shadowed,
    occurredAt: number,
    answer: Answer,
  ): Promise<boolean> {
    const { predictionId, predictor } = prediction;
    const data: PredictionShadowed = { predictionId, predictor, version, ...answer };
    const head = { id: uuidv7(), occurredAt, predictor, causationId: predictionId, traceparent };
    const event = newEvent(PREDICTION_SHADOWED, head, data);
    let revision = FIRST_REVISION;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const result = await this.store.append(predictionStream(predictionId), revision, [event]);
      if (result.kind !== 'conflict') return result.kind === 'appended';
      revision = result.actual;
    }
    return false;
  }
}

type Answer = Pick<PredictionShadowed, 'candidates' | 'error' | 'latencyMs'>;

async function ask(backend: Backend, { prediction, request }: Shadowed): Promise<Answer> {
  const startedAt = performance.now();
  const latency = (): number => Math.round((performance.now() - startedAt) * 10) / 10;
  try {
    const candidates = await backend.predict(prediction.input, limitOf(request));
    return { candidates: shownCandidates(candidates, request), latencyMs: latency() };
  } catch (failure) {
    if (!(failure instanceof BackendFailure)) throw failure;
    return { error: { kind: failure.kind, message: failure.message }, latencyMs: latency() };
  }
}
