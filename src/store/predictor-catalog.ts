/**
 * The predictors as their streams have left them, kept in memory so that serving a prediction reads nothing.
 * All appends to predictor streams go through here, which keeps the memory true; where other processes
 * share the store it is read again in the background while it is in use.
 */
import type { NewEvent, StoredEvent } from '../event/envelope.js';
import { predictorStream } from '../event/envelope.js';
import { foldPredictor, type PredictorState } from '../event/predictor.js';
import { Problem } from '../problem.js';
import { type AppendResult, type EventStore, NO_STREAM, type Receipt } from './event-store.js';

/** Attempts before a writer that always finds another one ahead of it gives up. */
const ATTEMPTS = 10;

/** Where others write too, what is older than this is read again behind the answer, milliseconds, */
const FRESH_MS = 2_000;
/** and what is older than this, before it. */
const STALE_MS = 10_000;

interface Known {
  state: Promise<PredictorState>;
  readAt: number;
  /** What is being read in its place. */
  refreshed?: Promise<PredictorState> | undefined;
}

export interface Decision {
  events: NewEvent[];
  /** They happened when they say, and may lie in the past: back-filled. Otherwise they happen now. */
  isHistory?: boolean;
  receipt?: Receipt;
}

export class PredictorCatalog {
  private readonly known = new Map<string, Known>();

  /** @param appended called after a predictor's stream got longer here; must not throw and must not wait */
  constructor(
    private readonly store: EventStore,
    private readonly appended: () => void = () => {},
  ) {}

  /** @throws Problem unknown-predictor */
  async get(predictor: string): Promise<PredictorState> {
    const state = await this.find(predictor);
    if (state === null) throw unknownPredictor(predictor);
    return state;
  }

  async find(predictor: string): Promise<PredictorState | null> {
    const found = await this.state(predictor);
    if (found.versions.size > 0 || found.splits.length > 0 || found.canary !== null) return found;
    // Names that do not exist are not remembered, or anybody could fill the memory.
    this.known.delete(predictor);
    return null;
  }

  private state(predictor: string): Promise<PredictorState> {
    const known = this.known.get(predictor);
    if (known === undefined) return this.read(predictor);
    if (this.store.isExclusive) return known.state;
    const age = Date.now() - known.readAt;
    if (age <= FRESH_MS) return known.state;
    known.refreshed ??= this.refresh(predictor, known);
    return age <= STALE_MS ? known.state : known.refreshed;
  }

  private read(predictor: string): Promise<PredictorState> {
    const state = this.store.readStream(predictorStream(predictor)).then(foldPredictor);
    this.known.set(predictor, { state, readAt: Date.now() });
    state.catch(() => this.known.delete(predictor));
    return state;
  }

  /** The state as it is now; as it was, while the store is away. */
  private async refresh(predictor: string, known: Known): Promise<PredictorState> {
    try {
      const state = foldPredictor(await this.store.readStream(predictorStream(predictor)));
      // An append of our own in the meantime knows better.
      if (this.known.get(predictor) === known) {
        this.known.set(predictor, { state: Promise.resolve(state), readAt: Date.now() });
      }
      return state;
    } catch {
      known.refreshed = undefined;
      known.readAt = Date.now() - FRESH_MS;
      return known.state;
    }
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
      const now = decision.isHistory ? decision.events : notBefore(events, decision.events);
      const result = await this.store.append(stream, revision, now, decision.receipt);
      this.known.delete(predictor);
      if (result.kind === 'appended') this.appended();
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

/**
 * Events of a predictor count in the order in which they happened, and processes have different clocks: what is
 * decided now must not come to lie before what it was decided on.
 */
function notBefore(known: readonly StoredEvent[], events: readonly NewEvent[]): NewEvent[] {
  const latest = known.reduce((time, { occurredAt }) => Math.max(time, occurredAt), 0);
  return events.map((event) => (event.occurredAt < latest ? { ...event, occurredAt: latest } : event));
}

export function unknownPredictor(predictor: string): Problem {
  return new Problem(
    'unknown-predictor',
    `There is no predictor "${predictor}". GET /v1/predictors lists them; POST /v1/predictors/${predictor}/deployments creates it.`,
  );
}
