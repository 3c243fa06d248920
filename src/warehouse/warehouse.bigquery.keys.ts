/** Which events were taken lately, so that a redelivered one is known without asking BigQuery. Pure. */
import type { StoredEvent } from '../event/envelope.js';

type EventKey = Pick<StoredEvent, 'stream' | 'revision'>;

export class RecentKeys {
  private readonly times = new Map<string, number>();

  /**
   * @param completeAfter milliseconds: of the events recorded later than this, all that were taken are here
   * @param limit how many are remembered
   */
  constructor(
    private completeAfter: number,
    private readonly limit = 50_000,
  ) {}

  /** Whether every event that might be one of these is here. */
  covers(events: readonly StoredEvent[]): boolean {
    return events.every(({ recordedAt }) => recordedAt > this.completeAfter);
  }

  has(event: EventKey): boolean {
    return this.times.has(keyOf(event));
  }

  add(events: readonly StoredEvent[]): void {
    for (const event of events) this.times.set(keyOf(event), event.recordedAt);
    for (const [key, recordedAt] of this.times) {
      if (this.times.size <= this.limit) break;
      this.times.delete(key);
      this.completeAfter = Math.max(this.completeAfter, recordedAt);
    }
  }
}

export function keyOf({ stream, revision }: EventKey): string {
  return `${revision} ${stream}`;
}

/** When the first of the events was recorded, milliseconds; Infinity of none. */
export function earliest(events: readonly StoredEvent[]): number {
  return events.reduce((time, { recordedAt }) => Math.min(time, recordedAt), Infinity);
}

/** When the last of them was recorded, milliseconds; -Infinity of none. */
export function latest(events: readonly StoredEvent[]): number {
  return events.reduce((time, { recordedAt }) => Math.max(time, recordedAt), -Infinity);
}
