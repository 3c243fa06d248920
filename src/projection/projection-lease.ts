/**
 * Which of the processes that share a store may write to the warehouse. One holds the lease and renews it; the
 * others look, learn from it how far the projection is, and one of them takes it when the holder is gone.
 * Where a store has one process only, it holds the lease from the start.
 */
import type { EventStore } from '../store/event-store.js';

/** How far the projection is, told by the holder to everybody. */
export interface ProjectionNote {
  /** Everything acknowledged before this moment is in the warehouse, milliseconds; null while it is empty. */
  asOf: number | null;
  /** Position in the log up to which events were taken. */
  checkpoint: string | null;
  /** What stopped the last step; null while all is well. */
  error: string | null;
  lastRebuild: LastRebuild | null;
}

export interface LastRebuild {
  /** ISO 8601 */
  at: string;
  tookMs: number;
  counts: Record<string, number>;
}

const NAME = 'projection';

export interface LeaseTimes {
  /** A holder that is gone is followed by another after so long, milliseconds. */
  ttlMs: number;
  /** The holder renews it, and the others look, each so many milliseconds. */
  everyMs: number;
}

const TIMES: LeaseTimes = { ttlMs: 15_000, everyMs: 4_000 };

export class ProjectionLease {
  /** By this process's own monotonic clock, from before the request: never later than the store sees it. */
  private heldUntil = 0;
  private note: ProjectionNote = { asOf: null, checkpoint: null, error: null, lastRebuild: null };
  private holding: string | null = null;
  private wanted = 0;
  private working = 0;
  private stepping: Promise<unknown> = Promise.resolve();
  private stopping = false;
  private timer: NodeJS.Timeout | null = null;
  private asking: Promise<void> = Promise.resolve();
  private changed: () => void = () => {};

  /**
   * @param holder a name of this process that no other one has
   */
  constructor(
    private readonly store: EventStore,
    private readonly holder: string,
    private readonly times: LeaseTimes = TIMES,
  ) {}

  /** @param changed called when this process has got the lease, or lost it */
  start(changed: () => void): void {
    this.changed = changed;
    this.timer ??= setInterval(() => void this.ask(), this.times.everyMs);
    void this.ask();
  }

  /** Gives the lease up, so that another process can go on at once. */
  async stop(): Promise<void> {
    this.stopping = true;
    if (this.timer !== null) clearInterval(this.timer);
    await this.asking;
    if (this.isHeld()) await this.store.releaseLease(NAME, this.holder).catch(() => undefined);
    this.heldUntil = 0;
  }

  isHeld(): boolean {
    return performance.now() < this.heldUntil;
  }

  /** The process that has it, as far as is known here; null when there is none. */
  holderName(): string | null {
    return this.isHeld() ? this.holder : this.holding;
  }

  /** How far the projection is: as this process knows it itself, or as the holder told. */
  told(): ProjectionNote {
    return this.note;
  }

  /** What is told to the others from the next renewal on. Only the holder's word counts. */
  tell(note: Partial<ProjectionNote>): void {
    this.note = { ...this.note, ...note };
  }

  /** Does a piece of work that must not run in two processes: waits for the lease, and keeps it meanwhile. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.wanted += 1;
    try {
      await this.taken();
      this.working += 1;
      return await work().finally(() => (this.working -= 1));
    } finally {
      this.wanted -= 1;
    }
  }

  /** A short piece of work of the holder: the lease is not given away before it has ended. */
  step<T>(work: () => Promise<T>): Promise<T> {
    const step = work();
    this.stepping = step.catch(() => undefined);
    return step;
  }

  private async taken(): Promise<void> {
    while (!this.isHeld()) {
      if (this.stopping) throw new Error('the service is stopping');
      await this.ask();
      if (!this.isHeld()) await new Promise((resolve) => setTimeout(resolve, this.times.everyMs / 4));
    }
  }

  /** One request at a time: answers that overtake each other would say who held it, not who holds it. */
  private ask(): Promise<void> {
    this.asking = this.asking.then(() => this.askNow());
    return this.asking;
  }

  private async askNow(): Promise<void> {
    if (this.stopping) return;
    const before = performance.now();
    const wasHeld = this.isHeld();
    try {
      const state = await this.store.lease({
        name: NAME,
        holder: this.holder,
        ttlMs: this.times.ttlMs,
        insists: this.wanted > 0,
        note: JSON.stringify(this.note),
      });
      this.holding = state.holder;
      if (state.holder !== this.holder) {
        this.heldUntil = 0;
        if (state.note !== null) this.note = JSON.parse(state.note) as ProjectionNote;
      } else if (state.wantedBy !== null && this.working === 0) {
        this.heldUntil = 0;
        await this.stepping;
        await this.store.releaseLease(NAME, this.holder);
      } else {
        this.heldUntil = before + this.times.ttlMs;
      }
    } catch {
      // The store is away: the lease runs out by itself, and the store's own errors are told elsewhere.
    }
    if (this.isHeld() !== wasHeld) this.changed();
  }
}
