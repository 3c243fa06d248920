/**
 * Finds events that came into the log behind its reader. A store that keeps the youngest events back cannot rule
 * that out: an append may become visible later than the store waits. So what was copied is counted again once
 * nothing can come into it any more, and a stretch that holds more than was copied is read again.
 */
import type { EventStore } from '../store/event-store.js';
import type { Warehouse } from '../warehouse/warehouse.js';
import { eventsBetween } from './rebuild.js';

/** The log between two positions, and how many events of it were copied. */
interface Stretch {
  after: string | null;
  upTo: string;
  events: number;
  /** When its first events were copied, milliseconds. */
  since: number;
}

export interface LateEventsTiming {
  /** A stretch ends after this long, milliseconds. */
  stretchMs: number;
  /** So long after its end a stretch is counted, milliseconds: longer than any append may take. */
  closedMs: number;
}

/** Together a late event is found within about 15 minutes. */
const TIMING: LateEventsTiming = { stretchMs: 300_000, closedMs: 600_000 };

export class LateEvents {
  private open: Stretch | null = null;
  private readonly closed: Stretch[] = [];

  constructor(
    private readonly store: EventStore,
    private readonly warehouse: Warehouse,
    private readonly timing: LateEventsTiming = TIMING,
  ) {}

  /** Events were copied, those between two positions. */
  copied(after: string | null, upTo: string, events: number, now: number): void {
    this.open ??= { after, upTo, events: 0, since: now };
    this.open.upTo = upTo;
    this.open.events += events;
  }

  /** From here on it is not sure what was copied: the stretch under way is left to the nightly rebuild. */
  forget(): void {
    this.open = null;
  }

  /**
   * Counts the stretches whose time has come, and fills in what was late.
   * @returns how many late events were found
   */
  async fillIn(now: number): Promise<number> {
    const { stretchMs, closedMs } = this.timing;
    if (this.open !== null && now - this.open.since >= stretchMs) {
      this.closed.push(this.open);
      this.open = null;
    }
    let found = 0;
    for (let stretch = this.closed[0]; stretch !== undefined; stretch = this.closed[0]) {
      if (now - stretch.since < stretchMs + closedMs) break;
      found += await this.fillInOne(stretch);
      // Only now: a failure leaves it for the next time.
      this.closed.shift();
    }
    return found;
  }

  private async fillInOne({ after, upTo, events }: Stretch): Promise<number> {
    const late = (await this.store.countAfter(after, upTo)) - events;
    if (late === 0) return 0;
    // The warehouse passes over what it has.
    for await (const page of eventsBetween(this.store, after, upTo)) await this.warehouse.append(page, null);
    return late;
  }
}
