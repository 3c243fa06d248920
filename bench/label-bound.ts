/**
 * Labels that a check and a verdict take in a steady world with known rates, and the fewest that any test that
 * may be looked at at any time could do with; docs/canary-power.md says how that bound comes about.
 */
import { completePolicy } from '#assay/event/policy.js';
import { closedBlocks, type Block, type LabelBlock } from '#assay/verdict/blocks.js';
import { Evidence } from '#assay/verdict/checks.js';
import { claimsOf, type ClaimName } from '#assay/verdict/claims.js';
import { boundaryAt, logRatio, projection, type Claim, type Counts } from '#assay/verdict/e-process.js';
import { onsetsOf } from '#assay/verdict/late-onset.js';
import { judgeCanary, type JudgementInput } from '#assay/verdict/verdict.js';
import { EDGES, STARTED_AT, WIDTH, cellsOf, hazardsOf, type Hazards, type Traffic } from './canary-cells.js';

export const POLICY = completePolicy({ bucketSeconds: WIDTH / 1000, ageEdgesSeconds: EDGES });
const CLAIMS = claimsOf(POLICY);

export interface Case {
  title: string;
  traffic: Traffic;
  /** Checks that such a canary must pass or fail; the slower one makes the verdict. */
  checks: ClaimName[];
  verdict: 'rollback' | 'promote';
}

/** One check in one run: where its evidence got there, and where that of an oracle did. */
export interface Crossing {
  /** Labels of the canary, of the kind that the check counts. */
  labels: number;
  /** What the blocks up to there are worth: expected, and come true, log evidence at the known rates. */
  information: number;
  oracleLog: number;
}

export interface Reached {
  judge: Crossing[];
  oracle: Crossing[];
}

/** Follows one check through the blocks of one run. */
class CheckWatch {
  readonly reached: Partial<Record<keyof Reached, Crossing>> = {};
  private readonly now: Crossing = { labels: 0, information: 0, oracleLog: 0 };
  private readonly claim: Claim;
  private readonly kind: 'wrong' | 'right';
  private readonly threshold: number;
  private hasOracleReached = false;

  constructor(
    readonly name: ClaimName,
    private readonly hazards: Hazards,
  ) {
    this.claim = CLAIMS[name];
    this.kind = CLAIMS[name].rate === 'wrong' ? 'wrong' : 'right';
    this.threshold = -Math.log(POLICY.alpha[name]);
  }

  add({ bin, baseline, canary }: LabelBlock): void {
    const counts = { nB: baseline.atRisk, nC: canary.atRisk, yB: baseline[this.kind], yC: canary[this.kind] };
    const [b, c] = [this.hazards.baseline[this.kind][bin]!, this.hazards.canary[this.kind][bin]!];
    this.now.labels += counts.yC;
    if (counts.nB === 0 || counts.nC === 0) return;
    this.now.information += divergence(this.claim, b, c, counts);
    this.now.oracleLog += logRatio(this.claim, b, c, counts);
    if (this.now.oracleLog >= this.threshold) this.hasOracleReached = true;
  }

  /** The end of a bucket: the first moment at which anybody can know. */
  settle(evidence: Evidence): void {
    if (this.hasOracleReached) this.reached.oracle ??= { ...this.now };
    if (evidence.has(this.name)) this.reached.judge ??= { ...this.now };
  }
}

/** Expected log evidence of a block at known rates: the least divergence of (b, c) from the line. */
function divergence(claim: Claim, b: number, c: number, { nB, nC }: Pick<Counts, 'nB' | 'nC'>): number {
  const th = projection(claim, b, c, nB, nC);
  return nB * kl(b, th) + nC * kl(c, boundaryAt(claim, th));
}

function kl(p: number, q: number): number {
  return p * Math.log(p / q) + (1 - p) * Math.log((1 - p) / (1 - q));
}

/** The fewest labels, on average: log(1/alpha) over the divergence per label of the canary. */
export function boundOf(name: ClaimName, traffic: Traffic): number {
  const { subjects, share } = traffic;
  const hazards = hazardsOf(traffic);
  const kind = CLAIMS[name].rate === 'wrong' ? 'wrong' : 'right';
  let information = 0;
  let labels = 0;
  for (const [bin, b] of hazards.baseline[kind].entries()) {
    const c = hazards.canary[kind][bin]!;
    const nB = subjects * (1 - share) * hazards.baseline.open[bin]!;
    const nC = subjects * share * hazards.canary.open[bin]!;
    information += divergence(CLAIMS[name], b, c, { nB, nC });
    labels += nC * c;
  }
  return (-Math.log(POLICY.alpha[name]) * labels) / information;
}

function inputOf({ share, buckets }: Traffic, rows: JudgementInput['rows']): JudgementInput {
  return {
    rows,
    baseline: 'v1',
    canary: 'v2',
    startedAt: STARTED_AT,
    splits: [{ at: STARTED_AT, split: { v1: 1 - share, v2: share } }],
    ramp: null,
    policy: POLICY,
    asOf: STARTED_AT + buckets * WIDTH,
    lagSeconds: 0,
  };
}

/** Goes through the blocks as the judge does, looking at the end of every bucket. */
function follow(blocks: readonly Block[], input: JudgementInput, watches: readonly CheckWatch[]): void {
  const evidence = new Evidence(POLICY, onsetsOf({ ...input, bucketSeconds: POLICY.bucketSeconds }));
  for (const [i, block] of blocks.entries()) {
    evidence.add(block);
    if (block.kind === 'labels') for (const watch of watches) watch.add(block);
    if (blocks[i + 1]?.closesAt === block.closesAt) continue;
    evidence.settle();
    for (const watch of watches) watch.settle(evidence);
    if (watches.every(({ reached }) => reached.judge && reached.oracle)) return;
  }
}

/** Labels of the canary, of both kinds, in the cells that were closed when the verdict was reached. */
function labelsAt(decidedAt: number, blocks: readonly Block[]): number {
  let labels = 0;
  for (const block of blocks) {
    if (block.kind === 'labels' && block.closesAt <= decidedAt)
      labels += block.canary.right + block.canary.wrong;
  }
  return labels;
}

export interface Measured {
  perCheck: Map<ClaimName, Reached>;
  verdicts: number[];
  missed: number;
}

export function measure(
  { traffic, checks, verdict }: Case,
  runs: number,
  seed: number,
  onRun?: (run: number) => void,
): Measured {
  const hazards = hazardsOf(traffic);
  const perCheck = new Map<ClaimName, Reached>(checks.map((name) => [name, { judge: [], oracle: [] }]));
  const verdicts: number[] = [];
  let missed = 0;
  for (let run = 0; run < runs; run++) {
    const input = inputOf(traffic, cellsOf(traffic, seed * 1_000_003 + run));
    const blocks = closedBlocks(input.rows, { ...input, ...POLICY });
    const watches = checks.map((name) => new CheckWatch(name, hazards));
    follow(blocks, input, watches);
    for (const { name, reached } of watches) {
      if (reached.judge) perCheck.get(name)!.judge.push(reached.judge);
      else missed++;
      if (reached.oracle) perCheck.get(name)!.oracle.push(reached.oracle);
    }
    const judgement = judgeCanary(input);
    if (judgement.verdict === verdict) verdicts.push(labelsAt(judgement.decidedAt!, blocks));
    onRun?.(run + 1);
  }
  return { perCheck, verdicts, missed };
}
