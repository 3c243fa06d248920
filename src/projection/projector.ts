/**
 * Copies the log into the warehouse: a loop over the store with a checkpoint, at its own pace. Woken by a nudge
 * or once a second; a nudge may be lost, an event may not. Of several processes the one with the lease does it.
 */
import { type EventStore, InvalidPosition } from '../store/event-store.js';
import type { Warehouse } from '../warehouse/warehouse.js';
import { LateEvents, type LateEventsTiming } from './late-events.js';
import type { ProjectionLease } from './projection-lease.js';

/** Events that are copied in one step. */
const BATCH = 5000;
/** Without a nudge it looks again after this long, milliseconds. */
const IDLE_MS = 1000;
/** At the end of the log at least so long between two steps, milliseconds: many small batches cost more than one. */
const PACE_MS = 100;
/** A step of more events than this means thousands a second: then requests go first, and the projection may lag. */
const HEAVY_STEP = 2000;
/** After a heavy step it rests for so many times the step's length, times the share of time the service is busy, */
const YIELD = 4;
/** but no longer than this, milliseconds. */
const YIELD_LIMIT_MS = 1000;
/** Longest wait after a failure, milliseconds. */
const BACKOFF_LIMIT_MS = 10_000;

export class Projector {
  private checkpoint: string | null | undefined;
  private failures = 0;
  private epoch = 0;
  private nudged = false;
  private stopping = false;
  private wake: () => void = () => {};
  private loop: Promise<void> | null = null;
  private readonly late: LateEvents;

  constructor(
    private readonly store: EventStore,
    private readonly warehouse: Warehouse,
    private readonly lease: ProjectionLease,
    private readonly onError: (error: unknown) => void,
    timing?: LateEventsTiming,
  ) {
    this.late = new LateEvents(store, warehouse, timing);
  }

  start(): void {
    this.lease.start(() => this.nudge());
    this.loop ??= this.run();
  }

  /** Resolves when the step under way is done. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.wake();
    await this.loop;
    await this.lease.stop();
  }

  /** There is something new in the log. */
  nudge(): void {
    this.nudged = true;
    this.wake();
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      this.nudged = false;
      if (this.epoch !== this.lease.epoch) this.startAfresh();
      if (!this.lease.isHeld()) {
        await this.rest(IDLE_MS, true);
        continue;
      }
      const load = performance.eventLoopUtilization();
      const startedAt = performance.now();
      try {
        const { atEnd, events } = await this.lease.step(() => this.step());
        this.failures = 0;
        this.lease.tell({ error: null });
        const busy = performance.eventLoopUtilization(load).utilization;
        const yielded = events > HEAVY_STEP ? (performance.now() - startedAt) * YIELD * busy : 0;
        await this.rest(Math.max(atEnd ? PACE_MS : 0, Math.min(yielded, YIELD_LIMIT_MS)), false);
        if (atEnd) await this.restAtEnd(events > 0);
      } catch (error) {
        await this.rest(this.failed(error), false);
      }
    }
  }

  /** @returns how many events it took, and whether that was all of the log */
  private async step(): Promise<{ atEnd: boolean; events: number }> {
    if (this.checkpoint === undefined) await this.readCheckpoint();
    const lookedAt = Date.now();
    const page = await this.store.readAll(this.checkpoint ?? null, BATCH);
    if (page.events.length > 0 && page.next !== null) {
      await this.warehouse.append(page.events, page.next);
      if (this.store.settleMs > 0) {
        this.late.copied(this.checkpoint ?? null, page.next, page.events.length, lookedAt);
      }
      this.checkpoint = page.next;
      const last = page.events.at(-1)?.recordedAt ?? null;
      this.lease.tell({ checkpoint: page.next, asOf: last });
    }
    if (page.atEnd) this.lease.tell({ asOf: lookedAt - this.store.settleMs });
    await this.late.fillIn(lookedAt);
    return { atEnd: page.atEnd, events: page.events.length };
  }

  /** Whoever had the lease meanwhile went on from where this process knows the projection to be. */
  private startAfresh(): void {
    this.epoch = this.lease.epoch;
    this.checkpoint = undefined;
    this.late.forget();
  }

  private async readCheckpoint(): Promise<void> {
    const { checkpoint, recordedAt } = await this.warehouse.head();
    this.checkpoint = checkpoint;
    this.lease.tell({ checkpoint, asOf: this.lease.told().asOf ?? recordedAt });
  }

  /** @returns how long to wait, milliseconds */
  private failed(error: unknown): number {
    if (this.failures++ === 0) this.onError(error);
    this.checkpoint = undefined;
    this.late.forget();
    this.lease.tell({ error: this.explain(error) });
    return Math.min(IDLE_MS * 2 ** (this.failures - 1), BACKOFF_LIMIT_MS);
  }

  private explain(error: unknown): string {
    if (error instanceof InvalidPosition) {
      return `${this.warehouse.location} knows more than ${this.store.location}: was the event store put back to an older state? Stop the service, delete the warehouse and start again; it is filled from the events`;
    }
    return error instanceof Error ? error.message : String(error);
  }

  /**
   * A store that keeps the youngest events back is asked less often: each look is billed, and what a nudge is
   * about comes out only once it has settled. While events keep coming it is asked as often as any other.
   */
  private async restAtEnd(foundEvents: boolean): Promise<void> {
    const { settleMs } = this.store;
    if (settleMs === 0) return this.rest(IDLE_MS - PACE_MS, true);
    if (foundEvents) return this.rest(IDLE_MS - PACE_MS, false);
    await this.rest(Math.max(settleMs, IDLE_MS) - PACE_MS, true);
    if (this.nudged) await this.rest(settleMs, false);
  }

  private async rest(milliseconds: number, untilNudge: boolean): Promise<void> {
    if (this.stopping || (untilNudge && this.nudged)) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.wake = () => {
        if (!untilNudge && !this.stopping) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = () => {};
  }
}
