/**
 * How many calls of challengers may be under way at once. Users do not wait for them, so nothing else would hold
 * them back: what finds no room is left out and counted, never queued.
 */

/** Calls of one challenger at a time, in this process. */
export const SHADOW_LIMIT = 64;

interface Slots {
  taken: number;
  skipped: number;
}

export class ShadowSlots {
  private readonly byChallenger = new Map<string, Slots>();
  private readonly underWay = new Set<Promise<void>>();
  private isClosing = false;

  /**
   * Starts work behind what is going on now, if there is room.
   * @param work must not reject
   */
  take(predictor: string, version: string, work: () => Promise<void>): 'taken' | 'skipped' {
    const slots = this.of(predictor, version);
    if (slots.taken >= SHADOW_LIMIT || this.isClosing) {
      slots.skipped++;
      return 'skipped';
    }
    slots.taken++;
    const done = new Promise<void>((resolve) => setImmediate(resolve)).then(work).finally(() => {
      slots.taken--;
      this.underWay.delete(done);
    });
    this.underWay.add(done);
    return 'taken';
  }

  /** Calls of a challenger that this process has left out since it started. */
  skipped(predictor: string, version: string): number {
    return this.byChallenger.get(keyOf(predictor, version))?.skipped ?? 0;
  }

  /** Starts nothing more, and waits for what is under way, so many milliseconds at most. */
  async drain(graceMs: number): Promise<void> {
    this.isClosing = true;
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise<void>((resolve) => (timer = setTimeout(resolve, graceMs)));
    await Promise.race([Promise.all(this.underWay), grace]);
    clearTimeout(timer);
  }

  private of(predictor: string, version: string): Slots {
    const key = keyOf(predictor, version);
    const known = this.byChallenger.get(key);
    if (known !== undefined) return known;
    const slots = { taken: 0, skipped: 0 };
    this.byChallenger.set(key, slots);
    return slots;
  }
}

function keyOf(predictor: string, version: string): string {
  return `${predictor}\n${version}`;
}
