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
  /** Whether events are being taken out of the warehouse and put back. */
  isMending: boolean;
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
  private note: ProjectionNote = {
    asOf: null,
    checkpoint: null,
    error: null,
    isMending: false,
    lastRebuild: null,
  };
  private holding: string | null = null;
  private wanted = 0;
  private working = 0;
  private steps = 0;
  /** Asked for by another process: no new step begins, and the lease is released once none is under way. */
  private isGivingUp = false;
  private refusing = false;
  private taking = 0;
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
    return performance.now() < this.heldUntil && !this.isGivingUp;
  }

  /** Changes whenever this process has taken the lease: what it knew before may be out of date. */
  get epoch(): number {
    return this.taking;
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

  /**
   * Tells everybody that events are being taken out of the warehouse, or that all are back. Resolves when every
   * process has looked at it: none keeps a verdict from then on.
   */
  async tellMending(isMending: boolean): Promise<void> {
    this.tell({ isMending });
    if (!isMending || this.store.isExclusive) return;
    await new Promise((resolve) => setTimeout(resolve, 2 * this.times.everyMs));
  }

  /** Whoever waits for the lease now, or will, is told that the service is stopping. */
  refuse(): void {
    this.refusing = true;
  }

  /**
   * Does a piece of work that must not run in two processes: waits for the lease, and keeps it meanwhile.
   * @param work is given a function that throws when the lease was lost all the same; it asks before each step
   *   that another process must not take at the same time
   */
  async during<T>(work: (unlessLost: () => void) => Promise<T>): Promise<T> {
    this.wanted += 1;
    try {
      const epoch = await this.taken();
      const unlessLost = (): void => {
        if (this.isHeld() && this.taking === epoch) return;
        throw new Error('another process has taken the projection over meanwhile: start again');
      };
      return await work(unlessLost).finally(() => (this.working -= 1));
    } finally {
      this.wanted -= 1;
    }
  }

  /** A short piece of work of the holder: the lease is not given away before it has ended. */
  async step<T>(work: () => Promise<T>): Promise<T> {
    this.steps += 1;
    try {
      return await work();
    } finally {
      this.steps -= 1;
    }
  }

  /** Waits for the lease, and marks it as in use in the same moment. */
  private async taken(): Promise<number> {
    for (;;) {
      if (this.refusing || this.stopping) throw new Error('the service is stopping');
      if (this.isHeld()) {
        this.working += 1;
        return this.taking;
      }
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
      await this.renew(before);
    } catch {
      // The store is away: the lease runs out by itself, and the store's own errors are told elsewhere.
    }
    const isHeld = this.isHeld();
    if (isHeld && !wasHeld) this.taking += 1;
    if (isHeld !== wasHeld) this.changed();
  }

  /** What was told last; whoever was mending is not any more when its lease has come to this process. */
  private noteOf(told: string, holder: string | null): ProjectionNote {
    const note = JSON.parse(told) as ProjectionNote;
    return holder === this.holder ? { ...note, isMending: false } : note;
  }

  private async renew(before: number): Promise<void> {
    const isOurs = before < this.heldUntil;
    const state = await this.store.lease({
      name: NAME,
      holder: this.holder,
      ttlMs: this.times.ttlMs,
      insists: this.wanted > 0 && !this.isGivingUp,
      // Only who has followed the log can say how far it is.
      note: isOurs ? JSON.stringify(this.note) : null,
    });
    this.holding = state.holder;
    if (!isOurs && state.note !== null) this.note = this.noteOf(state.note, state.holder);
    if (state.holder !== this.holder) {
      this.heldUntil = 0;
      this.isGivingUp = false;
      return;
    }
    this.heldUntil = before + this.times.ttlMs;
    this.isGivingUp = state.wantedBy !== null && this.working === 0;
    if (!this.isGivingUp || this.steps > 0) return;
    this.heldUntil = 0;
    this.isGivingUp = false;
    await this.store.releaseLease(NAME, this.holder);
  }
}
