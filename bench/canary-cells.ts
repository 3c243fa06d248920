/**
 * Cells of a steady world, drawn straight from the known rates of each cell: what a bound on the number of
 * labels needs, and fast enough for runs that go on until every check is answered.
 */
import type { BucketRow } from '#assay/verdict/cells.js';

export const WIDTH = 300_000;
export const STARTED_AT = Date.UTC(2026, 0, 5);
/** Edges of the age bins, seconds. */
export const EDGES = [0, 300, 900, 2400, 6000, 18_000];

const BINS = EDGES.length - 1;
/** Share of right answers that are confirmed, of wrong ones that are corrected; mean delays in seconds. */
const CONFIRMED = { share: 0.3, delay: 6000 };
const CORRECTED = { share: 0.6, delay: 1500 };

/** Two versions whose users behave alike. */
export interface Traffic {
  accuracy: Record<Arm, number>;
  /** The canary's share. */
  share: number;
  buckets: number;
  /** Subjects a bucket, both arms; each predicts once. */
  subjects: number;
}

type Arm = 'baseline' | 'canary';

/** Per age bin, of one arm. */
interface ArmHazards {
  /** Share of subjects not labelled before the bin began. */
  open: number[];
  /** Probability, for one of them, that its first label falls in the bin and says so. */
  wrong: number[];
  right: number[];
}

export type Hazards = Record<Arm, ArmHazards>;

/** The true rates of every cell. */
export function hazardsOf({ accuracy }: Traffic): Hazards {
  return { baseline: armHazards(accuracy.baseline), canary: armHazards(accuracy.canary) };
}

function armHazards(accuracy: number): ArmHazards {
  const hazards: ArmHazards = { open: [], wrong: [], right: [] };
  let open = 1;
  for (let bin = 0; bin < BINS; bin++) {
    const wrong = (1 - accuracy) * labelledIn(bin, CORRECTED);
    const right = accuracy * labelledIn(bin, CONFIRMED);
    hazards.open.push(open);
    hazards.wrong.push(wrong / open);
    hazards.right.push(right / open);
    open -= wrong + right;
  }
  return hazards;
}

/** Exponential delays. */
function labelledIn(bin: number, { share, delay }: { share: number; delay: number }): number {
  return share * (Math.exp(-EDGES[bin]! / delay) - Math.exp(-EDGES[bin + 1]! / delay));
}

/** Rows as the warehouse would give them, without failures and slow answers. */
export function cellsOf(traffic: Traffic, seed: number): BucketRow[] {
  const random = randomFrom(seed);
  const hazards = hazardsOf(traffic);
  return Array.from({ length: traffic.buckets }, (_, i) => {
    let canary = 0;
    for (let k = 0; k < traffic.subjects; k++) if (random() < traffic.share) canary++;
    return [
      rowOf('v1', i, traffic.subjects - canary, hazards.baseline, random),
      rowOf('v2', i, canary, hazards.canary, random),
    ];
  }).flat();
}

function rowOf(version: string, i: number, n: number, arm: ArmHazards, random: () => number): BucketRow {
  const row: BucketRow = {
    version,
    bucket: STARTED_AT + i * WIDTH,
    predictions: n,
    subjects: n,
    errors: 0,
    timedSubjects: 0,
    slow: 0,
    newcomers: n,
    atRisk: [],
    right: [],
    wrong: [],
  };
  let open = n;
  for (let bin = 0; bin < BINS; bin++) {
    let [right, wrong] = [0, 0];
    for (let k = 0; k < open; k++) {
      const u = random() - arm.wrong[bin]!;
      if (u < 0) wrong++;
      else if (u < arm.right[bin]!) right++;
    }
    row.atRisk.push(open);
    row.right.push(right);
    row.wrong.push(wrong);
    open -= right + wrong;
  }
  return row;
}

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 4_294_967_296;
  };
}
