/**
 * The predictors as their streams have left them, kept in memory so that serving a prediction reads nothing.
 * All appends to predictor streams go through here, which keeps the memory true.
 */
import type { NewEvent, StoredEvent } from '../event/envelope.js';
import { predictorStream } from '../event/envelope.js';
import { foldPredictor, type PredictorState } from '../event/predictor.js';
import { Problem } from '../problem.js';
import { type AppendResult, type EventStore, NO_STREAM, type Receipt } from './event-store.js';

/** Attempts before a writer that always finds another one ahead of it gives up. */
const ATTEMPTS = 10;

export interface Decision {
  events: NewEvent[];
  receipt?: Receipt;
}

export class PredictorCatalog {
  private readonly states = new Map<string, Promise<PredictorState>>();

  constructor(private readonly store: EventStore) {}

  /** @throws Problem unknown-predictor */
  async get(predictor: string): Promise<PredictorState> {
    const state = await this.find(predictor);
    if (state === null) throw unknownPredictor(predictor);
    return state;
  }

  async find(predictor: string): Promise<PredictorState | null> {
    let state = this.states.get(predictor);
    if (state === undefined) {
      state = this.store.readStream(predictorStream(predictor)).then(foldPredictor);
      this.states.set(predictor, state);
      state.catch(() => this.states.delete(predictor));
    }
    const found = await state;
    if (found.versions.size > 0 || found.splits.length > 0 || found.canary !== null) return found;
    // Names that do not exist are not remembered, or anybody could fill the memory.
    this.states.delete(predictor);
    return null;
  }

  names(): Promise<string[]> {
    return this.store.predictors();
  }

  /** Every predictor, by name. */
  async all(): Promise<Map<string, PredictorState>> {
    const found = new Map<string, PredictorState>();
    for (const name of await this.names()) {
      const state = await this.find(name);
      if (state !== null) found.set(name, state);
    }
    return found;
  }

  /**
   * Reads a predictor's stream, lets `decide` say what follows from it, and appends that; once more from the
   * start when another writer was faster.
   * @param decide throws a Problem when the request does not fit the state; no events: nothing to do
   */
  async append(
    predictor: string,
    decide: (state: PredictorState, events: readonly StoredEvent[]) => Decision,
  ): Promise<AppendResult> {
    const stream = predictorStream(predictor);
    for (let attempt = 1; ; attempt++) {
      const events = await this.store.readStream(stream);
      const decision = decide(foldPredictor(events), events);
      if (decision.events.length === 0) return { kind: 'duplicate', events: [] };
      const revision = events.at(-1)?.revision ?? NO_STREAM;
      const result = await this.store.append(stream, revision, decision.events, decision.receipt);
      this.states.delete(predictor);
      if (result.kind !== 'conflict') return result;
      if (attempt === ATTEMPTS) {
        throw new Problem(
          'conflict',
          `Predictor ${predictor} is being changed by others all the time. Try again.`,
        );
      }
    }
  }
}

export function unknownPredictor(predictor: string): Problem {
  return new Problem(
    'unknown-predictor',
    `There is no predictor "${predictor}". GET /v1/predictors lists them; POST /v1/predictors/${predictor}/deployments creates it.`,
  );
}
