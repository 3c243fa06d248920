/**
 * The buckets of one canary as they were read last, so that a question reads only what may have changed since:
 * buckets of which a cell has closed meanwhile, and those that late events belong to. An event that is on time
 * falls into a cell that is still open, and open cells do not count; so hardly any event makes a bucket be read
 * again before its next cell closes.
 */
import { predictionOfStream, type StoredEvent } from '../event/envelope.js';
import {
  CORRECTION_RETRACTED,
  PREDICTION_CORRECTED,
  PREDICTION_FAILED,
  PREDICTION_RECORDED,
} from '../event/prediction.js';
import type { Warehouse } from '../warehouse/warehouse.js';
import { type BucketRow, type BucketsRequest, bucketsOf, firstBucket, readBuckets } from './cells.js';

/** One bucket, and up to which moment everything that happened is in its rows, milliseconds. */
interface Remembered {
  rows: BucketRow[];
  asOf: number;
}

/** More single buckets or late labels than this, and everything is read: that is one pass then. */
const SINGLE_LIMIT = 100;

/** Must be told of every event that comes into the warehouse, or be made to forget. */
export class BucketMemory {
  private readonly buckets = new Map<number, Remembered>();
  private readonly width: number;
  private readonly first: number;
  /** Up to which moment anything was read, milliseconds. */
  private readUpTo = -Infinity;
  private isForgotten = true;
  /** Buckets from here on have had late predictions: whoever was a newcomer in them may not be one any more. */
  private lateFrom = Infinity;
  private lateLabels = new Set<string>();
  private reading: Promise<unknown> = Promise.resolve();
  /** Rises with everything that may change what is remembered. */
  changes = 0;

  constructor(
    private readonly warehouse: Warehouse,
    private readonly request: BucketsRequest,
  ) {
    const { bucketSeconds } = request.policy;
    this.width = Math.round(bucketSeconds * 1000);
    this.first = firstBucket(request.startedAt, bucketSeconds);
  }

  /** Nothing that was read counts any more. */
  forget(): void {
    this.isForgotten = true;
    this.changes++;
  }

  /** An event has come into the warehouse. */
  appended({ type, occurredAt, stream }: StoredEvent): void {
    if (this.isForgotten) return;
    if (type === PREDICTION_RECORDED || type === PREDICTION_FAILED) {
      const bucket = Math.floor(occurredAt / this.width) * this.width;
      if (bucket < this.first || bucket + this.width > this.readUpTo || bucket >= this.lateFrom) return;
      this.lateFrom = bucket;
      this.changes++;
    } else if (
      type === CORRECTION_RETRACTED ||
      (type === PREDICTION_CORRECTED && occurredAt < this.readUpTo)
    ) {
      const prediction = predictionOfStream(stream);
      if (prediction === null || this.lateLabels.has(prediction)) return;
      this.lateLabels.add(prediction);
      this.changes++;
      if (this.lateLabels.size > SINGLE_LIMIT) this.forget();
    }
  }

  /**
   * The rows of all buckets that have ended by `asOf`, in order of bucket and version.
   * @param asOf everything that happened before this moment is in the warehouse, milliseconds
   */
  rows(asOf: number): Promise<BucketRow[]> {
    const rows = this.reading.then(() => this.refresh(asOf));
    this.reading = rows.catch(() => this.forget());
    return rows;
  }

  private async refresh(asOf: number): Promise<BucketRow[]> {
    const due = await this.takeDue(asOf);
    if (due === 'all') {
      const rows = await readBuckets(this.warehouse, this.request);
      this.buckets.clear();
      this.keep(rows, this.ended(asOf), asOf);
    } else if (due.length > 0) {
      const rows = await readBuckets(this.warehouse, this.request, due);
      this.keep(rows, due, asOf);
    }
    this.readUpTo = Math.max(this.readUpTo, asOf);
    return this.ended(asOf).flatMap((bucket) => this.buckets.get(bucket)?.rows ?? []);
  }

  /** What is to be read; what comes in from here on is for the next time. */
  private async takeDue(asOf: number): Promise<number[] | 'all'> {
    const { isForgotten, lateFrom } = this;
    const labels = [...this.lateLabels];
    this.isForgotten = false;
    this.lateFrom = Infinity;
    this.lateLabels = new Set();
    // From here on an event counts as late if it happened before this moment.
    this.readUpTo = Math.max(this.readUpTo, asOf);
    if (isForgotten) return 'all';
    const late = new Set(labels.length === 0 ? [] : await bucketsOf(this.warehouse, this.request, labels));
    const due = this.ended(asOf).filter((bucket) => {
      const known = this.buckets.get(bucket);
      return (
        known === undefined ||
        bucket >= lateFrom ||
        late.has(bucket) ||
        known.asOf < this.lastClosing(bucket, asOf)
      );
    });
    return due.length > SINGLE_LIMIT ? 'all' : due;
  }

  private keep(rows: readonly BucketRow[], buckets: readonly number[], asOf: number): void {
    for (const bucket of buckets) this.buckets.set(bucket, { rows: [], asOf });
    for (const row of rows) this.buckets.get(row.bucket)?.rows.push(row);
  }

  private ended(asOf: number): number[] {
    const count = Math.max(0, Math.floor((asOf - this.first) / this.width));
    return Array.from({ length: count }, (_, index) => this.first + index * this.width);
  }

  /** When the last cell closed that `bucket` has closed by `asOf`. */
  private lastClosing(bucket: number, asOf: number): number {
    const end = bucket + this.width;
    const edges = this.request.policy.ageEdgesSeconds;
    return Math.max(...edges.map((edge) => end + edge * 1000).filter((closing) => closing <= asOf));
  }
}
