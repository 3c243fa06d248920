/**
 * Holding the warehouse against the store, and deriving it anew.
 *
 * Only events up to the warehouse's checkpoint are compared: what lies behind it is the projector's work, and
 * goes on meanwhile. Plain functions over the two ports.
 */
import type { StoredEvent } from '../event/envelope.js';
import type { EventStore } from '../store/event-store.js';
import { EventBuckets, hourOf } from '../warehouse/digest.js';
import type { DerivedDifference, EventBucket, EventInventory, Warehouse } from '../warehouse/warehouse.js';

/** Events read from the store at a time. */
const PAGE = 2000;

/** An hour of recording in which store and warehouse do not hold the same events; null: none at all. */
export interface EventDifference {
  kind: 'events';
  /** Start of the UTC hour, milliseconds. */
  hour: number;
  store: EventBucket | null;
  warehouse: EventBucket | null;
}

export type Difference = EventDifference | ({ kind: 'derived' } & DerivedDifference);

export interface Reconciliation {
  /** Events up to the checkpoint. */
  storeEvents: number;
  warehouseEvents: number;
  differences: EventDifference[];
  /** What the warehouse held when it was looked at. */
  inventory: EventInventory;
}

export interface RebuildProgress {
  stage: 'reading the store' | 'filling in' | 'deriving' | 'swapping';
  /** Events so far in this stage. */
  events: number;
}

export interface RebuildOptions {
  store: EventStore;
  warehouse: Warehouse;
  /** Compare every event with the store, not only their number, and fill in what differs. */
  fromStore?: boolean;
  onProgress?: (progress: RebuildProgress) => void;
  /** Throws when another process writes to the warehouse by now; asked before each step that changes it. */
  unlessLost?: () => void;
  /** Told before events are taken out of the warehouse, and when all of them are back. */
  onMending?: (isMending: boolean) => Promise<void>;
}

export interface RebuildResult {
  tookMs: number;
  /** Rows of each derived table, and `events`. */
  counts: Record<string, number>;
  /** What was not as it should be, and is now. */
  differences: Difference[];
}

export interface Verification {
  equal: boolean;
  /** Events up to the warehouse's checkpoint. */
  storeEvents: number;
  warehouseEvents: number;
  /** Events of the store that the warehouse has yet to take: no difference. */
  pending: number;
  differences: Difference[];
}

/** Compares counts and checksums per hour, over the whole log up to the checkpoint. */
export async function reconcile(
  store: EventStore,
  warehouse: Warehouse,
  onProgress?: (progress: RebuildProgress) => void,
): Promise<Reconciliation> {
  const inventory = await warehouse.eventInventory();
  const found = new EventBuckets();
  let storeEvents = 0;
  for await (const page of eventsBetween(store, null, inventory.checkpoint)) {
    for (const event of page) found.add(event);
    storeEvents += page.length;
    onProgress?.({ stage: 'reading the store', events: storeEvents });
  }
  return {
    storeEvents,
    warehouseEvents: inventory.buckets.reduce((sum, bucket) => sum + bucket.events, 0),
    differences: compareBuckets(found.list(), inventory.buckets),
    inventory,
  };
}

/**
 * Makes the warehouse what the store says: looks for events that are missing, derives every table anew beside
 * the ones in use, compares, and puts the new ones in place. Appends and queries go on meanwhile. Safe to
 * repeat, and to break off at any moment: the next one finds what is left to do.
 */
export async function rebuild(options: RebuildOptions): Promise<RebuildResult> {
  const { store, warehouse, fromStore = false, onProgress, unlessLost } = options;
  const started = performance.now();
  const differences: Difference[] = [];
  if (fromStore || !(await holdsAsManyEvents(store, warehouse))) {
    const reconciliation = await reconcile(store, warehouse, onProgress);
    differences.push(...reconciliation.differences);
    await refill(options, reconciliation);
  }
  onProgress?.({ stage: 'deriving', events: 0 });
  const generation = await oneAtATime(warehouse, async () => {
    const derived = await warehouse.deriveGeneration();
    onProgress?.({ stage: 'swapping', events: 0 });
    unlessLost?.();
    await warehouse.swapGeneration();
    return derived;
  });
  differences.push(...generation.differences.map(derivedDifference));
  const { events } = await warehouse.head();
  return {
    tookMs: Math.round(performance.now() - started),
    counts: { events, ...generation.rows },
    differences,
  };
}

/** Compares events and derived tables; changes nothing. */
export async function verify(
  store: EventStore,
  warehouse: Warehouse,
  onProgress?: (progress: RebuildProgress) => void,
): Promise<Verification> {
  const { storeEvents, warehouseEvents, differences, inventory } = await reconcile(
    store,
    warehouse,
    onProgress,
  );
  onProgress?.({ stage: 'deriving', events: 0 });
  const generation = await oneAtATime(warehouse, async () => {
    const derived = await warehouse.deriveGeneration();
    await warehouse.discardGeneration();
    return derived;
  });
  const all = [...differences, ...generation.differences.map(derivedDifference)];
  const pending = await store.countAfter(inventory.checkpoint);
  return { equal: all.length === 0, storeEvents, warehouseEvents, pending, differences: all };
}

const generations = new WeakMap<Warehouse, Promise<unknown>>();

/** A warehouse has room for one new generation: a verification waits for a rebuild, and the other way round. */
function oneAtATime<T>(warehouse: Warehouse, work: () => Promise<T>): Promise<T> {
  const result = (generations.get(warehouse) ?? Promise.resolve()).then(work);
  generations.set(
    warehouse,
    result.catch(() => undefined),
  );
  return result;
}

/** A cheap look before a long one: the number of events up to the checkpoint. */
async function holdsAsManyEvents(store: EventStore, warehouse: Warehouse): Promise<boolean> {
  const { checkpoint, events } = await warehouse.head();
  return events === (checkpoint === null ? 0 : await store.countAfter(null, checkpoint));
}

/** Takes the hours that differ out of the warehouse and appends them as the store has them. */
async function refill(options: RebuildOptions, { differences, inventory }: Reconciliation): Promise<void> {
  const { store, warehouse, onProgress, unlessLost, onMending } = options;
  // Also after one that broke off: what it had taken out was found to be back.
  if (differences.length === 0) return onMending?.(false);
  const hours = new Set(differences.map(({ hour }) => hour));
  await onMending?.(true);
  for (const hour of hours) {
    unlessLost?.();
    await warehouse.forgetEvents(hour, inventory.position);
  }
  let filled = 0;
  for await (const page of eventsBetween(store, null, inventory.checkpoint)) {
    const missing = page.filter((event) => hours.has(hourOf(event.recordedAt)));
    unlessLost?.();
    // The checkpoint is the projector's: it may have moved on.
    if (missing.length > 0) await warehouse.append(missing, null);
    filled += missing.length;
    onProgress?.({ stage: 'filling in', events: filled });
  }
  // Whatever ends this before leaves hours out: then it is not told, and the next rebuild finds them.
  await onMending?.(false);
}

/**
 * The log behind one position, null for its beginning, up to another one, which is the position of an event;
 * nothing when that is null.
 */
export async function* eventsBetween(
  store: EventStore,
  after: string | null,
  upTo: string | null,
): AsyncGenerator<StoredEvent[]> {
  if (upTo === null) return;
  for (;;) {
    const { events, next, atEnd } = await store.readAll(after, PAGE);
    const last = events.findIndex(({ position }) => position === upTo);
    if (last !== -1) {
      yield events.slice(0, last + 1);
      return;
    }
    if (events.length > 0) yield events;
    if (atEnd || next === null) return;
    after = next;
  }
}

function compareBuckets(store: EventBucket[], warehouse: EventBucket[]): EventDifference[] {
  const there = new Map(store.map((bucket) => [bucket.hour, bucket]));
  const here = new Map(warehouse.map((bucket) => [bucket.hour, bucket]));
  const hours = [...new Set([...there.keys(), ...here.keys()])].sort((a, b) => a - b);
  return hours
    .map((hour) => ({ hour, store: there.get(hour) ?? null, warehouse: here.get(hour) ?? null }))
    .filter(
      (pair) =>
        pair.store?.events !== pair.warehouse?.events || pair.store?.checksum !== pair.warehouse?.checksum,
    )
    .map((pair) => ({ kind: 'events', ...pair }));
}

function derivedDifference(difference: DerivedDifference): Difference {
  return { kind: 'derived', ...difference };
}
