/**
 * How far one webhook is, in the log itself: which events are due, and what is done with. Written with the revision
 * that it was read at, so that of two processes only one can.
 */
import { v7 as uuidv7 } from 'uuid';
import { type NewEvent, newEvent, payloadOf, predictorStream, type StoredEvent } from '../event/envelope.js';
import {
  WEBHOOK_BEGUN,
  WEBHOOK_DELIVERED,
  WEBHOOK_GIVEN_UP,
  webhookStream,
  webhookStreams,
  type WebhookProgress,
  type WebhookState,
} from '../event/webhook.js';
import { type EventStore, NO_STREAM } from '../store/event-store.js';
import { concerns, type Webhook } from './webhook.js';

/** Another process has written down how far the webhook is: what this one knows is out of date. */
export class Overtaken extends Error {
  override readonly name = 'Overtaken';

  constructor(webhook: string) {
    super(`another process delivers to ${webhook}`);
  }
}

export interface LastDelivered {
  id: string;
  type: string;
  predictor: string;
  /** Milliseconds. */
  at: number;
}

/** An event that is due, with the predictor it belongs to. */
export interface Due {
  event: StoredEvent;
  predictor: string;
}

export class Progress {
  /** As far as this process has looked: beyond what is written down by events that are not sent. */
  private readonly done: Map<string, number>;

  private constructor(
    private readonly store: EventStore,
    private readonly webhook: Webhook,
    state: WebhookState,
    private stream: string,
    private revision: number,
    private last: LastDelivered | null,
  ) {
    this.done = new Map(Object.entries(state.done));
  }

  /**
   * As the log has it. A webhook that is new begins with what happens from now on, and so does a predictor or a type
   * that it was not about until now.
   * @throws Overtaken, StoreUnavailable
   */
  static async read(store: EventStore, webhook: Webhook, now: number): Promise<Progress> {
    const events = await latestEvents(store, webhook.name, now);
    const latest = events.at(-1);
    const last = events.findLast(({ type }) => type === WEBHOOK_DELIVERED);
    const state = latest === undefined ? null : payloadOf<WebhookState>(latest);
    const progress = new Progress(
      store,
      webhook,
      state ?? { webhook: webhook.name, predictors: [], done: {} },
      latest?.stream ?? '',
      latest?.revision ?? NO_STREAM,
      last === undefined ? null : deliveredBy(last),
    );
    const types = state?.types ?? webhook.types;
    if (state === null) await progress.begin([], types);
    else if (!isSameList(state.predictors, webhook.predictors) || !isSameList(types, webhook.types)) {
      await progress.begin(state.predictors, types);
    }
    return progress;
  }

  get lastDelivered(): LastDelivered | null {
    return this.last;
  }

  /** Whether nothing was written down between the two. */
  isAsFarAs(other: Progress): boolean {
    return this.stream === other.stream && this.revision === other.revision;
  }

  /** Everything that is due, in the order in which it is sent: that of the log, and of its stream in any case. */
  async due(): Promise<Due[]> {
    const predictors = await this.predictors();
    const streams = await Promise.all(predictors.map((predictor) => this.dueOf(predictor)));
    return streams
      .flat()
      .sort((a, b) => a.at - b.at || a.due.event.revision - b.due.event.revision)
      .map(({ due }) => due);
  }

  /** The event that says that another one was delivered, or given up when there is an error. */
  doneWith({ event, predictor }: Due, attempts: number, error: string | null): NewEvent {
    this.done.set(predictor, event.revision);
    const data: WebhookProgress = {
      ...this.state(),
      event: { id: event.id, type: event.type, predictor, revision: event.revision },
      attempts,
      ...(error === null ? {} : { error }),
    };
    return this.event(error === null ? WEBHOOK_DELIVERED : WEBHOOK_GIVEN_UP, event.id, data);
  }

  /**
   * Writes such an event down. May be repeated when it is not known whether it was.
   * @throws Overtaken, StoreUnavailable
   */
  async keep(event: NewEvent): Promise<void> {
    const month = webhookStream(this.webhook.name, event.occurredAt);
    // The last event of the latest month is the state: where a clock is behind, that month goes on.
    const stream = month < this.stream ? this.stream : month;
    const isSame = stream === this.stream;
    if (!isSame) await this.unlessOvertaken();
    const result = await this.store.append(stream, isSame ? this.revision : NO_STREAM, [event]);
    if (result.kind !== 'appended' && result.kind !== 'duplicate') throw new Overtaken(this.webhook.name);
    const [kept] = result.events as [StoredEvent];
    this.stream = stream;
    this.revision = kept.revision;
    if (kept.type === WEBHOOK_DELIVERED) this.last = deliveredBy(kept);
  }

  /** In a new month any first event fits: whether it follows what was read, only the month before says. */
  private async unlessOvertaken(): Promise<void> {
    if (this.stream === '') return;
    const events = await this.store.readStream(this.stream, this.revision);
    if (events.length > 0) throw new Overtaken(this.webhook.name);
  }

  /**
   * @param predictors that it was about until now; null: all
   * @param types that it was sent until now
   */
  private async begin(predictors: string[] | null, types: readonly string[]): Promise<void> {
    for (const predictor of this.done.keys()) {
      if (!concerns(this.webhook, predictor)) this.done.delete(predictor);
    }
    for (const predictor of await this.predictors()) {
      const isNew = !concerns({ predictors }, predictor);
      if (!isNew && isSameList(types, this.webhook.types)) continue;
      const known = this.done.get(predictor) ?? NO_STREAM;
      const events = await this.store.readStream(predictorStream(predictor), known);
      // What was to be sent before still is: from the first such event on all counts as new.
      const waits = ({ type }: StoredEvent): boolean =>
        types.includes(type) && this.webhook.types.includes(type);
      const first = isNew ? undefined : events.find(waits);
      this.done.set(predictor, first === undefined ? (events.at(-1)?.revision ?? known) : first.revision - 1);
    }
    await this.keep(this.event(WEBHOOK_BEGUN, null, this.state()));
  }

  private async predictors(): Promise<string[]> {
    return (await this.store.predictors()).filter((predictor) => concerns(this.webhook, predictor));
  }

  private async dueOf(predictor: string): Promise<Array<{ due: Due; at: number }>> {
    const done = this.done.get(predictor) ?? NO_STREAM;
    const events = await this.store.readStream(predictorStream(predictor), done);
    const sent = events.filter(({ type }) => this.webhook.types.includes(type));
    const end = events.at(-1);
    // Nothing to send among them: not read again, and written down with what is delivered next.
    if (sent.length === 0 && end !== undefined) this.done.set(predictor, end.revision);
    let at = 0;
    return sent.map((event) => {
      // Clocks may go back; the order of a stream may not.
      at = Math.max(at, event.recordedAt);
      return { due: { event, predictor }, at };
    });
  }

  private state(): WebhookState {
    const { name, predictors, types } = this.webhook;
    return {
      webhook: name,
      predictors: predictors === null ? null : [...predictors],
      types: [...types],
      done: Object.fromEntries(this.done),
    };
  }

  private event(type: string, causationId: string | null, data: object): NewEvent {
    return newEvent(type, { id: uuidv7(), occurredAt: Date.now(), predictor: null, causationId }, data);
  }
}

async function latestEvents(store: EventStore, webhook: string, now: number): Promise<StoredEvent[]> {
  const streams = [...webhookStreams(webhook, now)];
  // Nearly always it is among the first.
  for (const some of [streams.slice(0, 3), streams.slice(3)]) {
    const found = await Promise.all(some.map((stream) => store.readStream(stream)));
    const latest = found.find((events) => events.length > 0);
    if (latest !== undefined) return latest;
  }
  return [];
}

function deliveredBy(event: StoredEvent): LastDelivered {
  const { id, type, predictor } = payloadOf<WebhookProgress>(event).event;
  return { id, type, predictor, at: event.recordedAt };
}

function isSameList(a: readonly string[] | null, b: readonly string[] | null): boolean {
  return (
    JSON.stringify(a === null ? null : [...a].sort()) === JSON.stringify(b === null ? null : [...b].sort())
  );
}
