/** What the local server is told to do wrong, once or some times. */

/** Where it happens: a call of the REST API, or an append to a table. */
export type FaultPlace =
  | 'jobs.insert'
  | 'jobs.get'
  | 'queries.get'
  | 'datasets.insert'
  | 'tables.get'
  | 'upload'
  | `append ${string}`;

export type Fault =
  /** An HTTP status with a reason, or a code of gRPC. */
  | { kind: 'refuse'; status: number; reason?: string; message?: string }
  /** The connection is cut before anything was done. */
  | { kind: 'reset' }
  /** Everything is done, and the connection cut before the answer. */
  | { kind: 'lost' }
  /** There is no answer. */
  | { kind: 'silent' };

export class Faults {
  private readonly waiting: { place: FaultPlace; fault: Fault; left: number; after: number }[] = [];

  /** @param after how many calls go well before it */
  add(place: FaultPlace, fault: Fault, times = 1, after = 0): void {
    this.waiting.push({ place, fault, left: times, after });
  }

  take(place: FaultPlace): Fault | null {
    const found = this.waiting.find((one) => one.place === place && one.left > 0);
    if (found === undefined || found.after-- > 0) return null;
    found.left--;
    return found.fault;
  }

  /** Faults that nobody met. */
  left(): number {
    return this.waiting.reduce((sum, { left }) => sum + left, 0);
  }

  clear(): void {
    this.waiting.length = 0;
  }
}
