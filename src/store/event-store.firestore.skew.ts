/**
 * How late appends become visible: the time of the commit less the time that the events carry, both by the
 * server's clock. While it stays below the horizon behind which the log is read, nothing appears behind a reader.
 */

/** What is told is at most twice as old, milliseconds. */
const WINDOW_MS = 150_000;

export class Skew {
  private current = { from: 0, largest: 0 };
  private before = 0;

  /**
   * @param seconds of one commit
   * @param now milliseconds, of any clock that only goes forward
   */
  add(seconds: number, now: number): void {
    this.turn(now);
    this.current.largest = Math.max(this.current.largest, seconds);
  }

  /** The largest of the last 2.5 to 5 minutes, seconds; 0 when nothing was appended. */
  largest(now: number): number {
    this.turn(now);
    return Math.max(this.before, this.current.largest);
  }

  private turn(now: number): void {
    if (now - this.current.from < WINDOW_MS) return;
    const isRecent = now - this.current.from < 2 * WINDOW_MS;
    this.before = isRecent ? this.current.largest : 0;
    this.current = { from: now, largest: 0 };
  }
}
