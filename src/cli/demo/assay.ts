/** What the demo asks of the service, all of it through the HTTP interface. */
import type { HealthAnswer } from '../health-text.js';
import { Refused, ServiceClient, Unreachable } from '../service-client.js';
import type { PastEvent } from './past-events.js';

const BATCH_TYPE = 'application/cloudevents-batch+json';
/** The service takes 1,000 events and 1 MiB at a time. */
const BATCH_EVENTS = 1000;
const BATCH_CHARACTERS = 700_000;

const CATCH_UP_LIMIT_MS = 120_000;
const LOOK_AGAIN_MS = 200;

interface Recorded {
  accepted: number;
  rejected: { index: number; detail: string }[];
}

export class Assay {
  private readonly client: ServiceClient;

  constructor(readonly url: string) {
    this.client = new ServiceClient(url);
  }

  get<Answer>(path: string): Promise<Answer> {
    return this.client.get(path);
  }

  post<Answer>(path: string, body: object): Promise<Answer> {
    return this.client.post(path, body);
  }

  delete(path: string): Promise<void> {
    return this.client.delete(path);
  }

  /** @throws Refused when the service refuses one of them */
  async record(events: readonly PastEvent[]): Promise<void> {
    for (const batch of batchesOf(events)) {
      const { rejected } = await this.client.post<Recorded>('/v1/events', batch, BATCH_TYPE);
      const [first] = rejected;
      if (first !== undefined) {
        throw new Refused(
          200,
          `The service refused ${rejected.length} events, the first one: ${first.detail}`,
        );
      }
    }
  }

  /** Health of the canary, once everything recorded so far is in the warehouse. */
  async canaryHealth(predictor: string): Promise<HealthAnswer> {
    await this.caughtUp();
    return this.get(`/v1/predictors/${predictor}/canary`);
  }

  async caughtUp(): Promise<void> {
    const deadline = Date.now() + CATCH_UP_LIMIT_MS;
    for (;;) {
      const { lag } = await this.get<{ lag: { events: number } }>('/v1/status');
      if (lag.events === 0) return;
      if (Date.now() > deadline) {
        throw new Unreachable(
          `The warehouse is still ${lag.events} events behind: the service's log says why.`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }
}

/** JSON arrays within the service's limits. */
function* batchesOf(events: readonly PastEvent[]): Generator<string> {
  let batch: string[] = [];
  let characters = 0;
  for (const event of events) {
    const text = JSON.stringify(event);
    if (batch.length === BATCH_EVENTS || characters + text.length > BATCH_CHARACTERS) {
      yield `[${batch.join(',')}]`;
      batch = [];
      characters = 0;
    }
    batch.push(text);
    characters += text.length;
  }
  if (batch.length > 0) yield `[${batch.join(',')}]`;
}
