/**
 * What may be compared at a given moment. A cell is one bucket of prediction time at one label age; it is
 * closed once every prediction of the bucket has reached the end of that age. Only closed cells count, so
 * that both arms are always seen at the same label age and in the same hours.
 */
import type { Split, SplitChange } from '../event/predictor.js';
import type { BucketRow } from './cells.js';

/** The labels of one bucket at one age. */
export interface LabelBlock {
  kind: 'labels';
  /** Start of the bucket, milliseconds. */
  bucket: number;
  /** Age bin, from 0. */
  bin: number;
  /** When the last prediction of the bucket leaves the age bin, milliseconds. */
  closesAt: number;
  baseline: LabelCounts;
  canary: LabelCounts;
}

/** The labels of one arm in a block. */
export interface LabelCounts {
  /** Subjects not labelled before the bin began. */
  atRisk: number;
  /** Their first labels in the bin that say right, as a sum of per-subject means. */
  right: number;
  wrong: number;
}

/** What is known of one bucket without waiting for a label. */
export interface TrafficBlock {
  kind: 'traffic';
  bucket: number;
  closesAt: number;
  baseline: TrafficCounts;
  canary: TrafficCounts;
  /** What the split gives the canary of what it gives both arms; null when it changed during the bucket. */
  canaryShare: number | null;
}

export type TrafficCounts = Omit<BucketRow, 'version' | 'bucket' | 'atRisk' | 'right' | 'wrong'>;

export type Block = LabelBlock | TrafficBlock;

/** The two versions that are compared. */
export interface Arms {
  baseline: string;
  canary: string;
}

/** Which blocks there are to compare, and up to when they can be told. */
export interface BlockWindow extends Arms {
  /** Start of the canary, milliseconds: buckets that began earlier do not count. */
  startedAt: number;
  splits: readonly SplitChange[];
  bucketSeconds: number;
  ageEdgesSeconds: readonly number[];
  /** The rows hold everything that happened before this moment, milliseconds. */
  asOf: number;
}

/**
 * The blocks that are closed at `asOf`, in the order in which they closed (ties: by bucket, traffic first,
 * then by age). A bin closes at the bucket's end plus the bin's upper edge. Traffic closes at the bucket's
 * end, without the first age bin on top: that a prediction failed or was slow is known when it ends, and a
 * canary that throws errors should not run for one more bin.
 */
export function closedBlocks(rows: readonly BucketRow[], window: BlockWindow): Block[] {
  const blocks: Block[] = [];
  for (const [bucket, pair] of pairRows(rows, window)) {
    blocks.push(trafficBlock(bucket, pair, window), ...labelBlocks(bucket, pair, window));
  }
  return blocks.filter((block) => block.closesAt <= window.asOf).sort(byClosing);
}

/** The canary's share of what both arms receive under `split`; null when they receive nothing. */
export function canaryShareOf(split: Split, { baseline, canary }: Arms): number | null {
  const share = split[canary] ?? 0;
  const both = share + (split[baseline] ?? 0);
  return both > 0 ? share / both : null;
}

/** The split in force at a moment; undefined before the first one. */
export function splitAt(splits: readonly SplitChange[], at: number): Split | undefined {
  return splits.filter((change) => change.at <= at).at(-1)?.split;
}

interface Pair {
  baseline?: BucketRow;
  canary?: BucketRow;
}

function pairRows(rows: readonly BucketRow[], window: BlockWindow): Map<number, Pair> {
  const pairs = new Map<number, Pair>();
  for (const row of rows) {
    const arm = armOf(row.version, window);
    if (arm === null || row.bucket < window.startedAt) continue;
    const pair = pairs.get(row.bucket) ?? {};
    pair[arm] = row;
    pairs.set(row.bucket, pair);
  }
  return pairs;
}

function armOf(version: string, { baseline, canary }: Arms): keyof Pair | null {
  if (version === baseline) return 'baseline';
  return version === canary ? 'canary' : null;
}

function labelBlocks(bucket: number, pair: Pair, window: BlockWindow): LabelBlock[] {
  const bucketEnd = bucket + window.bucketSeconds * 1000;
  return window.ageEdgesSeconds.slice(1).map((edge, bin) => ({
    kind: 'labels',
    bucket,
    bin,
    closesAt: bucketEnd + edge * 1000,
    baseline: labelCounts(pair.baseline, bin),
    canary: labelCounts(pair.canary, bin),
  }));
}

function labelCounts(row: BucketRow | undefined, bin: number): LabelCounts {
  return { atRisk: row?.atRisk[bin] ?? 0, right: row?.right[bin] ?? 0, wrong: row?.wrong[bin] ?? 0 };
}

const NO_TRAFFIC: TrafficCounts = {
  predictions: 0,
  subjects: 0,
  errors: 0,
  timedSubjects: 0,
  slow: 0,
  newcomers: 0,
};

function trafficBlock(bucket: number, pair: Pair, window: BlockWindow): TrafficBlock {
  const closesAt = bucket + window.bucketSeconds * 1000;
  return {
    kind: 'traffic',
    bucket,
    closesAt,
    baseline: pair.baseline ?? NO_TRAFFIC,
    canary: pair.canary ?? NO_TRAFFIC,
    canaryShare: steadyShare(bucket, closesAt, window),
  };
}

function steadyShare(from: number, to: number, window: BlockWindow): number | null {
  if (window.splits.some((change) => change.at > from && change.at < to)) return null;
  const split = splitAt(window.splits, from);
  return split === undefined ? null : canaryShareOf(split, window);
}

function byClosing(a: Block, b: Block): number {
  return a.closesAt - b.closesAt || a.bucket - b.bucket || binOf(a) - binOf(b);
}

function binOf(block: Block): number {
  return block.kind === 'traffic' ? -1 : block.bin;
}
