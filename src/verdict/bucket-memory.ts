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
import { type BucketRow, type BucketsRequest, firstBucket, predictedAt, readBuckets } from './cells.js';

/** More single buckets than this, and everything is read: that is one pass then. */
const BUCKETS_LIMIT = 100;
/** The same for late labels, whose predictions have to be looked up. */
const LABELS_LIMIT = 2000;
/** Moment of a label that was taken back: it may have been the first one in any cell. */
const ANY_TIME = -Infinity;

/** Must be told of every event that comes into the warehouse, or be made to forget. */
export class BucketMemory {
  /** By the bucket's start; those without a prediction have no entry. */
  private readonly buckets = new Map<number, BucketRow[]>();
  private readonly width: number;
  private readonly first: number;
  /** Everything that closed before this moment is right in the rows, but for what was late, milliseconds. */
  private readUpTo = -Infinity;
  private isForgotten = true;
  private lateBuckets = new Set<number>();
  /** Prediction id to the earliest moment of a label. */
  private lateLabels = new Map<string, number>();
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
    if (type === PREDICTION_RECORDED || type === PREDICTION_FAILED) this.predicted(occurredAt);
    else if (type === CORRECTION_RETRACTED) this.labelled(stream, ANY_TIME);
    else if (type === PREDICTION_CORRECTED && occurredAt < this.readUpTo) this.labelled(stream, occurredAt);
  }

  private predicted(at: number): void {
    const bucket = this.bucketOf(at);
    const isOpen = bucket + this.width > this.readUpTo;
    if (bucket < this.first || isOpen || this.lateBuckets.has(bucket)) return;
    this.lateBuckets.add(bucket);
    this.changes++;
    if (this.lateBuckets.size > BUCKETS_LIMIT) this.forget();
  }

  private labelled(stream: string, at: number): void {
    const prediction = predictionOfStream(stream);
    if (prediction === null || (this.lateLabels.get(prediction) ?? Infinity) <= at) return;
    this.lateLabels.set(prediction, at);
    this.changes++;
    if (this.lateLabels.size > LABELS_LIMIT) this.forget();
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
      this.keep(rows, asOf);
    } else if (due.length > 0) {
      const rows = await readBuckets(this.warehouse, this.request, due);
      for (const bucket of due) this.buckets.delete(bucket);
      this.keep(rows, asOf);
    }
    const inOrder = [...this.buckets.keys()].sort((a, b) => a - b);
    return inOrder.flatMap((bucket) => this.buckets.get(bucket) ?? []);
  }

  /** What is to be read; what comes in from here on is for the next time. */
  private async takeDue(asOf: number): Promise<number[] | 'all'> {
    const before = this.readUpTo;
    const [buckets, labels] = [this.lateBuckets, this.lateLabels];
    // Where a clock goes back, what was late for the time before cannot be told from what was not.
    const isAll = this.isForgotten || asOf < before;
    this.isForgotten = false;
    this.lateBuckets = new Set();
    this.lateLabels = new Map();
    this.readUpTo = asOf;
    if (isAll) return 'all';
    const due = this.closedBetween(before, asOf);
    if (due === 'all') return 'all';
    this.addNewcomersFrom(Math.min(...buckets), due);
    for (const bucket of [...buckets, ...(await this.bucketsOfLabels(labels, before))]) due.add(bucket);
    const ended = [...due].filter((bucket) => bucket >= this.first && bucket + this.width <= asOf);
    return ended.length > BUCKETS_LIMIT ? 'all' : ended.sort((a, b) => a - b);
  }

  /** Buckets of which a cell has closed after one moment and up to another. */
  private closedBetween(before: number, asOf: number): Set<number> | 'all' {
    const due = new Set<number>();
    for (const edge of this.request.policy.ageEdgesSeconds) {
      const delay = this.width + edge * 1000;
      const last = this.bucketOf(asOf - delay);
      for (let bucket = last; bucket + delay > before && bucket >= this.first; bucket -= this.width) {
        due.add(bucket);
        if (due.size > BUCKETS_LIMIT) return 'all';
      }
    }
    return due;
  }

  /** After a late prediction whoever was a newcomer later on may not be one any more. */
  private addNewcomersFrom(late: number, due: Set<number>): void {
    for (const bucket of this.buckets.keys()) if (bucket >= late) due.add(bucket);
  }

  /** Of late labels those that change a cell which had closed by the last reading. */
  private async bucketsOfLabels(labels: ReadonlyMap<string, number>, before: number): Promise<number[]> {
    if (labels.size === 0) return [];
    const found = await predictedAt(this.warehouse, this.request, [...labels.keys()]);
    return found
      .filter(({ id, at }) => this.closingOf(at, labels.get(id) ?? ANY_TIME) <= before)
      .map(({ at }) => this.bucketOf(at));
  }

  /** When the cell closes in which a label of this moment counts; never, where it is too old to count. */
  private closingOf(predicted: number, labelled: number): number {
    const age = (labelled - predicted) / 1000;
    const end = this.request.policy.ageEdgesSeconds.slice(1).find((edge) => age < edge);
    return end === undefined ? Infinity : this.bucketOf(predicted) + this.width + end * 1000;
  }

  private bucketOf(at: number): number {
    return Math.floor(at / this.width) * this.width;
  }

  private keep(rows: readonly BucketRow[], asOf: number): void {
    for (const row of rows) {
      // Of a bucket under way nothing has closed, and it is read when it has ended.
      if (row.bucket + this.width > asOf) continue;
      const known = this.buckets.get(row.bucket);
      if (known === undefined) this.buckets.set(row.bucket, [row]);
      else known.push(row);
    }
  }
}
