/** Mistakes of the caller that every store finds before it asks its database. */
import type { NewEvent } from '../event/envelope.js';
import { NO_STREAM } from './event-store.js';

const MAX_EVENTS = 500;
const MAX_PAGE = 10_000;

/** A page ends early when its payloads are this long together, characters: 10,000 large ones fill the memory. */
export const PAGE_PAYLOAD = 8 << 20;

/** @throws RangeError */
export function requireAppendable(
  stream: string,
  expectedRevision: number,
  events: readonly NewEvent[],
): void {
  if (events.length < 1 || events.length > MAX_EVENTS) {
    throw new RangeError(`an append takes 1 to ${MAX_EVENTS} events, not ${events.length}`);
  }
  if (!Number.isInteger(expectedRevision) || expectedRevision < NO_STREAM) {
    throw new RangeError(`an expected revision is a whole number from ${NO_STREAM}, not ${expectedRevision}`);
  }
  if (events.length > 1 && new Set(events.map((event) => event.id)).size < events.length) {
    throw new RangeError(`two of the events for ${stream} have the same id`);
  }
  // SQLite takes such a text and gives back what is in front of the zero.
  if (stream.includes('\0') || events.some((event) => event.id.includes('\0'))) {
    throw new RangeError('streams and ids must not contain U+0000');
  }
}

/** @throws RangeError */
export function requirePageLimit(limit: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_PAGE) return;
  throw new RangeError(`limit must be a whole number from 1 to ${MAX_PAGE}, not ${limit}`);
}
