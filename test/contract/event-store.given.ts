/** What the event store's contract is made of: events, receipts, and readers of a log. */
import type { NewEvent, StoredEvent } from '#assay/event/envelope.js';
import type { AppendResult, EventStore, Receipt } from '#assay/store/event-store.js';

export interface OpenedStore {
  store: EventStore;
  /** Closes the store and opens what it kept. */
  reopen: () => Promise<EventStore>;
  /** Closes the store that was opened last and removes what it kept. */
  cleanUp: () => Promise<void>;
}

let number = 0;

/** A name that no other test uses. */
export function fresh(prefix: string): string {
  number += 1;
  return `${prefix}-${number}`;
}

export function event(given: Partial<NewEvent> = {}): NewEvent {
  return {
    id: fresh('event'),
    type: 'assay.prediction.recorded',
    schemaVersion: 1,
    occurredAt: 1_700_000_000_000,
    predictor: 'nace',
    causationId: null,
    traceparent: null,
    payload: '{"version":"v1"}',
    ...given,
  };
}

export function receipt(given: Partial<Receipt> = {}): Receipt {
  return { key: fresh('key'), requestHash: 'hash', status: 201, body: '{"ok":true}', ...given };
}

/** The events of an append that must have succeeded. */
export async function appended(result: Promise<AppendResult>): Promise<StoredEvent[]> {
  const answer = await result;
  if (answer.kind !== 'appended') throw new Error(`expected appended, got ${JSON.stringify(answer)}`);
  return answer.events;
}

/** Waits until a store that keeps the youngest events back gives out all that was acknowledged so far. */
export async function settled(store: EventStore): Promise<void> {
  if (store.settleMs > 0) await new Promise((resolve) => setTimeout(resolve, store.settleMs));
}

/** Reads the log to its end in pages of the given sizes, over and over; at once unless it is to settle first. */
export async function readLog(
  store: EventStore,
  {
    after = null,
    sizes = [1_000],
    predictor,
    settle = true,
  }: { after?: string | null; sizes?: number[]; predictor?: string; settle?: boolean } = {},
): Promise<StoredEvent[]> {
  if (settle) await settled(store);
  const events: StoredEvent[] = [];
  for (let turn = 0; ; turn += 1) {
    const page = await store.readAll(after, sizes[turn % sizes.length] ?? 1, predictor);
    events.push(...page.events);
    after = page.next;
    if (page.atEnd) return events;
  }
}

export function revisionsByStream(events: StoredEvent[]): Map<string, number[]> {
  const streams = new Map<string, number[]>();
  for (const { stream, revision } of events) streams.set(stream, [...(streams.get(stream) ?? []), revision]);
  return streams;
}

/** Runs a test on a store that nobody else writes to. */
export type OnEmptyStore = (run: (empty: OpenedStore) => Promise<void>) => Promise<void>;
