/** How far the warehouse is behind the log. */
import { type EventStore, InvalidPosition, type LogHead } from '../store/event-store.js';
import type { ProjectionNote } from './projection-lease.js';

export interface Lag {
  head: LogHead;
  /** Null where the warehouse is ahead of the store; the projection's error then says what to do. */
  events: number | null;
  seconds: number;
}

export async function lagOf(
  store: EventStore,
  { asOf, checkpoint }: Pick<ProjectionNote, 'asOf' | 'checkpoint'>,
): Promise<Lag> {
  const head = await store.head();
  const events = await store.countAfter(checkpoint).catch(unlessInvalid);
  return { head, events, seconds: events === 0 || asOf === null ? 0 : (Date.now() - asOf) / 1000 };
}

function unlessInvalid(error: unknown): null {
  if (error instanceof InvalidPosition) return null;
  throw error;
}
