/**
 * Streams that were read a moment ago, so that the append that follows need not read them once more: the
 * beginning of a stream never changes, and creating the next revision proves that nobody was faster.
 */
import type { NewEvent } from '../event/envelope.js';

/** Streams that are remembered: readers that append nothing must not fill the memory. */
const REMEMBERED = 1_000;

export class RecentStreams {
  readonly #streams = new Map<string, ReadonlySet<string>>();

  remember(stream: string, events: readonly NewEvent[]): void {
    this.#streams.delete(stream);
    this.#streams.set(stream, new Set(events.map(({ id }) => id)));
    if (this.#streams.size <= REMEMBERED) return;
    for (const oldest of this.#streams.keys()) return void this.#streams.delete(oldest);
  }

  /** Whether the stream ended at the revision and held none of the ids; good for one append. */
  allows(stream: string, expected: number, events: readonly NewEvent[]): boolean {
    const ids = this.#streams.get(stream);
    this.#streams.delete(stream);
    return ids?.size === expected + 1 && !events.some(({ id }) => ids.has(id));
  }
}
