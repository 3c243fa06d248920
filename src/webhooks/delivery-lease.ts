/** Which of the processes that share a store delivers. Asked for when there is something to look at; no timer. */
import type { EventStore } from '../store/event-store.js';

const NAME = 'webhooks';
/** When the process that delivers is gone, another one follows after so long, milliseconds. */
const TTL_MS = 30_000;

export class DeliveryLease {
  /** By this process's own monotonic clock, from before the request: never later than the store sees it. */
  private heldUntil = 0;
  private taking = 0;
  private asking: Promise<void> | null = null;

  /**
   * @param holder a name of this process that no other one has
   * @param note what the holder tells the others, asked for at each renewal
   * @param told called with what another process that delivers told
   */
  constructor(
    private readonly store: EventStore,
    private readonly holder: string,
    private readonly note: () => string,
    private readonly told: (note: string) => void,
  ) {}

  /**
   * Whether this process delivers, and will for a while: what is begun now is over before another one begins.
   * @param ms less than TTL_MS
   * @throws StoreUnavailable
   */
  async heldFor(ms: number): Promise<boolean> {
    if (this.heldUntil - performance.now() >= ms) return true;
    this.asking ??= this.ask().finally(() => (this.asking = null));
    await this.asking;
    return this.heldUntil - performance.now() >= ms;
  }

  isHeld(): boolean {
    return performance.now() < this.heldUntil;
  }

  /** Changes whenever another process may have delivered meanwhile: what was known before may be out of date. */
  get term(): number {
    return this.taking;
  }

  /** Lets another process go on at once. */
  async release(): Promise<void> {
    if (!this.isHeld()) return;
    this.heldUntil = 0;
    await this.store.releaseLease(NAME, this.holder).catch(() => undefined);
  }

  private async ask(): Promise<void> {
    const before = performance.now();
    // Only who has delivered can say how far it is.
    const note = this.isHeld() ? this.note() : null;
    const state = await this.store.lease({
      name: NAME,
      holder: this.holder,
      ttlMs: TTL_MS,
      insists: false,
      note,
    });
    const isOurs = state.holder === this.holder;
    if (isOurs && performance.now() >= this.heldUntil) this.taking += 1;
    this.heldUntil = isOurs ? before + TTL_MS : 0;
    if (!isOurs && state.note !== null) this.told(state.note);
  }
}
