/** How many labels the closed cells hold, and whether users confirm right answers at all. */
import type { Confirmations } from '../event/policy.js';
import type { LabelBlock } from './blocks.js';

/** Users count as never confirming below this share of the predictions, on both arms ... */
const NEVER_CONFIRMING = 0.001;
/** ... once this many predictions of both arms have passed every age bin. */
const PREDICTIONS_TO_TELL = 2000;

/** A description of one arm, over its closed cells. Accuracy here is not a test: it moves with who labels. */
export interface LabelSummary {
  /** Subjects, once per bucket, whose first age bin is closed. */
  n: number;
  right: number;
  wrong: number;
  /** Labels per subject, in [0, 1]; null without subjects. */
  coverage: number | null;
  /** Share of right among the labels; null without labels. */
  accuracy: number | null;
}

type Arm = 'baseline' | 'canary';

/** Adds up labels as cells close, and tells from them whether users confirm. */
export class LabelsSeen {
  private readonly arms = {
    baseline: { n: 0, right: 0, wrong: 0 },
    canary: { n: 0, right: 0, wrong: 0 },
  };
  private readonly openSubjects = new Map<number, number>();
  private ripe = 0;

  constructor(private readonly lastBin: number) {}

  add(block: LabelBlock): void {
    for (const arm of ['baseline', 'canary'] as const) {
      this.arms[arm].right += block[arm].right;
      this.arms[arm].wrong += block[arm].wrong;
      if (block.bin === 0) this.arms[arm].n += block[arm].atRisk;
    }
    if (block.bin === 0) this.openSubjects.set(block.bucket, block.baseline.atRisk + block.canary.atRisk);
    if (block.bin === this.lastBin) {
      this.ripe += this.openSubjects.get(block.bucket) ?? 0;
      this.openSubjects.delete(block.bucket);
    }
  }

  labels(arm: Arm): number {
    return this.arms[arm].right + this.arms[arm].wrong;
  }

  summary(arm: Arm): LabelSummary {
    const { n, right, wrong } = this.arms[arm];
    const labels = right + wrong;
    return {
      n,
      right,
      wrong,
      coverage: n > 0 ? labels / n : null,
      accuracy: labels > 0 ? right / labels : null,
    };
  }

  /**
   * Whether the confirmations are not asked about. Under `auto` that takes predictions of every label age:
   * users who confirm a day later would otherwise pass for users who never do.
   */
  areConfirmationsWaived(policy: Confirmations): boolean {
    if (policy !== 'auto') return policy === 'none';
    const { baseline, canary } = this.arms;
    const isBelow = (arm: { n: number; right: number }): boolean => arm.right < NEVER_CONFIRMING * arm.n;
    return this.ripe >= PREDICTIONS_TO_TELL && isBelow(baseline) && isBelow(canary);
  }
}
