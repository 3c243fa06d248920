/**
 * The checks, ten and one for each score of the policy: blocks go in as they close, evidence for each claim adds
 * up. Nothing is decided here; see verdict.ts for what follows from which checks.
 */
import { alphaOf, CHECK_NAMES, type CheckName, type Policy, scoreCheck } from '../event/policy.js';
import type { Block, LabelBlock, TrafficBlock } from './blocks.js';
import { claimsOf, type Rate } from './claims.js';
import { EProcess, FROM_THE_START, RateForecast, type Counts, type Onset } from './e-process.js';
import { LabelsSeen } from './labels-seen.js';
import { PooledRatio } from './pooled-ratio.js';
import { SampleRatio } from './sample-ratio.js';
import { ScoreWatch } from './scores.js';

/**
 * - `fail`: an alarm (wrong-up, right-lower, errors-up, slow-up, sample-ratio, a score) has gone off.
 * - `pass`: an alarm is silent, or what another check is to show has been shown.
 * - `pending`: not shown, or nothing to compare yet.
 * - `waived`: not asked (no latency limit; users who never confirm).
 *
 * A check is answered once its evidence has reached the threshold, after whichever block, until the evidence
 * at the end of a bucket is below 1 again:
 * then the data speak for the opposite, and a chance peak neither bars a canary for good nor helps it. That
 * an answer counts less long than the guarantee allows can only make it rarer. A verdict, in contrast, stays.
 */
export type CheckStatus = 'pass' | 'fail' | 'pending' | 'waived';

/** What a check saw of one arm. */
export interface ArmRate {
  /** Subjects, once per bucket (newcomers for sample-ratio). */
  n: number;
  /**
   * Events per subject and closed cell, or the mean score, both arms in the same mix of cells; sample-ratio: the
   * arm's share.
   */
  value: number | null;
  /** Scores only: predictions without a number from 0 to 1 where the policy looks for it. */
  leftOut?: number;
}

/** One check as it stands: what it has found, and how much of that is needed. */
export interface Check {
  name: CheckName;
  status: CheckStatus;
  /** Evidence E at the last bucket's end, at most 1e15; 1 says nothing, below 1 speaks for the opposite. */
  evidence: number;
  /** Error probability allowed to the check. */
  alpha: number;
  /** 1 / alpha: the evidence at which the check is answered. */
  threshold: number;
  /** Canary's rate over the baseline's; sample-ratio: canary's newcomers over the expected ones. */
  estimate: number | null;
  /** 95 %, for one look; see pooled-ratio.ts and sample-ratio.ts. */
  interval: [number, number] | null;
  baseline: ArmRate;
  canary: ArmRate;
}

const ALARMS: readonly CheckName[] = ['wrong-up', 'right-lower', 'errors-up', 'slow-up', 'sample-ratio'];

/** Checks that speak against the canary, or against the comparison, once they are answered. */
export function isAlarm(name: CheckName): boolean {
  return ALARMS.includes(name) || name.startsWith('score:');
}

const ABOUT_CONFIRMATIONS: readonly CheckName[] = [
  'right-lower',
  'right-within',
  'right-held',
  'right-not-higher',
];
const EVIDENCE_CAP = 1e15;

/** Whether the check has been answered: an alarm has gone off, or what was to be shown has been shown. */
export function isAnswered({ name, status }: Pick<Check, 'name' | 'status'>): boolean {
  return status === (isAlarm(name) ? 'fail' : 'pass');
}

/** One rate on both arms, and the evidence for every claim about it. */
class RateWatch {
  private readonly forecast = new RateForecast();
  readonly ratio = new PooledRatio();
  readonly processes = new Map<CheckName, EProcess>();
  readonly subjects = { baseline: 0, canary: 0 };

  add(bucket: number, bin: number, counts: Counts): void {
    const b = this.forecast.at(bin);
    for (const process of this.processes.values()) process.add(bucket, b, counts);
    this.forecast.learn(bin, counts);
    this.ratio.add(counts);
    if (bin > 0) return;
    this.subjects.baseline += counts.nB;
    this.subjects.canary += counts.nC;
  }
}

/** The evidence for all claims, from the blocks so far. */
export class Evidence {
  readonly labels: LabelsSeen;
  private readonly watches: Record<Rate, RateWatch> = {
    wrong: new RateWatch(),
    right: new RateWatch(),
    errors: new RateWatch(),
    slow: new RateWatch(),
  };
  private readonly sampleRatio = new SampleRatio();
  private readonly scores: readonly ScoreWatch[];
  private readonly names: readonly CheckName[];
  private readonly rateOf = new Map<CheckName, Rate>();
  /** Log evidence at the last bucket's end. */
  private readonly logs = new Map<CheckName, number>();
  /** Checks whose evidence has reached its threshold and has not fallen below 1 since. */
  private readonly standing = new Set<CheckName>();

  constructor(
    private readonly policy: Policy,
    onsets: readonly Onset[],
  ) {
    this.labels = new LabelsSeen(policy.ageEdgesSeconds.length - 2);
    const claims = claimsOf(policy);
    for (const name of CHECK_NAMES) {
      if (name === 'sample-ratio') continue;
      const claim = claims[name];
      const process = new EProcess(claim, name === 'wrong-up' ? onsets : FROM_THE_START);
      this.watches[claim.rate].processes.set(name, process);
      this.rateOf.set(name, claim.rate);
    }
    this.scores = policy.scores.map((score) => new ScoreWatch(score));
    this.names = [...CHECK_NAMES, ...policy.scores.map(scoreCheck)];
  }

  /** Takes in a closed block; blocks must come in order of closing. */
  add(block: Block): void {
    if (block.kind === 'labels') this.addLabels(block);
    else this.addTraffic(block);
  }

  private addLabels(block: LabelBlock): void {
    const { bucket, bin, baseline, canary } = block;
    const [nB, nC] = [baseline.atRisk, canary.atRisk];
    this.watches.wrong.add(bucket, bin, { nB, nC, yB: baseline.wrong, yC: canary.wrong });
    this.watches.right.add(bucket, bin, { nB, nC, yB: baseline.right, yC: canary.right });
    this.labels.add(block);
  }

  private addTraffic({ bucket, baseline, canary, canaryShare }: TrafficBlock): void {
    this.watches.errors.add(bucket, 0, {
      nB: baseline.subjects,
      nC: canary.subjects,
      yB: baseline.errors,
      yC: canary.errors,
    });
    this.watches.slow.add(bucket, 0, {
      nB: baseline.timedSubjects,
      nC: canary.timedSubjects,
      yB: baseline.slow,
      yC: canary.slow,
    });
    for (const [k, watch] of this.scores.entries()) {
      watch.add(bucket, baseline.scores?.[k], canary.scores?.[k]);
    }
    if (canaryShare !== null) this.sampleRatio.add(canaryShare, baseline.newcomers, canary.newcomers);
  }

  /** The end of a bucket: whoever asks from now on sees the evidence of all blocks so far. */
  settle(): void {
    for (const name of this.names) {
      const process = this.processOf(name);
      const log = process?.logEvidence ?? this.sampleRatio.logEvidence;
      this.logs.set(name, log);
      // Taken in any case: a peak that ended below 1 must not count at a later end.
      const peak = process?.takePeak() ?? log;
      if (log < 0) this.standing.delete(name);
      else if (peak >= this.logThreshold(name)) this.standing.add(name);
    }
  }

  /** Whether a check is asked and has been answered: see CheckStatus. */
  has(name: CheckName): boolean {
    return this.standing.has(name) && !this.isWaived(name);
  }

  isWaived(name: CheckName): boolean {
    if (name === 'slow-up') return this.policy.latencyLimitMs === undefined;
    return (
      ABOUT_CONFIRMATIONS.includes(name) && this.labels.areConfirmationsWaived(this.policy.confirmations)
    );
  }

  value(name: CheckName): number {
    return Math.min(Math.exp(this.logEvidence(name)), EVIDENCE_CAP);
  }

  /** E of every check, for a chart. */
  values(): Record<CheckName, number> {
    const entries = this.names.map((name) => [name, this.value(name)]);
    return Object.fromEntries(entries) as Record<CheckName, number>;
  }

  checks(): Check[] {
    return this.names.map((name) => {
      const alpha = alphaOf(this.policy, name);
      return {
        name,
        status: this.statusOf(name),
        evidence: this.value(name),
        alpha,
        threshold: 1 / alpha,
        ...this.comparison(name),
      };
    });
  }

  /** The checks of scores that nothing could be compared for: not a good sign, just none. */
  unseenScores(): CheckName[] {
    return this.scores.filter(({ isSeen }) => !isSeen).map(({ check }) => check);
  }

  /**
   * Labels of the canary that a check still takes if the present effect lasts: what its log evidence lacks,
   * over what the best explanation has gained per label. 0 once shown, null while nothing is gained.
   */
  labelsNeeded(name: CheckName): number | null {
    if (this.has(name) || this.isWaived(name)) return 0;
    const gainPerLabel = (this.processOf(name)?.leadingLog ?? 0) / this.labels.labels('canary');
    if (!(gainPerLabel > 0) || !Number.isFinite(gainPerLabel)) return null;
    const lacking = this.logThreshold(name) - this.logEvidence(name);
    return Math.max(1, Math.ceil(lacking / gainPerLabel));
  }

  private logEvidence(name: CheckName): number {
    return this.logs.get(name) ?? 0;
  }

  private logThreshold(name: CheckName): number {
    return -Math.log(alphaOf(this.policy, name));
  }

  private processOf(name: CheckName): EProcess | undefined {
    const rate = this.rateOf.get(name);
    return rate === undefined ? this.scoreOf(name)?.process : this.watches[rate].processes.get(name);
  }

  private scoreOf(name: CheckName): ScoreWatch | undefined {
    return this.scores.find(({ check }) => check === name);
  }

  private statusOf(name: CheckName): CheckStatus {
    if (this.isWaived(name)) return 'waived';
    if (!isAlarm(name)) return this.has(name) ? 'pass' : 'pending';
    if (this.has(name)) return 'fail';
    return this.comparison(name).canary.n > 0 ? 'pass' : 'pending';
  }

  private comparison(name: CheckName): Pick<Check, 'estimate' | 'interval' | 'baseline' | 'canary'> {
    const rate = this.rateOf.get(name);
    if (rate === undefined) return this.scoreComparison(name) ?? this.sampleComparison();
    const { ratio, subjects } = this.watches[rate];
    return {
      estimate: ratio.estimate,
      interval: ratio.interval,
      baseline: { n: subjects.baseline, value: ratio.rates?.baseline ?? null },
      canary: { n: subjects.canary, value: ratio.rates?.canary ?? null },
    };
  }

  private scoreComparison(
    name: CheckName,
  ): Pick<Check, 'estimate' | 'interval' | 'baseline' | 'canary'> | null {
    const watch = this.scoreOf(name);
    if (watch === undefined) return null;
    const { ratio, subjects, leftOut } = watch;
    const arm = (of: 'baseline' | 'canary'): ArmRate => ({
      n: subjects[of],
      value: ratio.rates?.[of] ?? null,
      leftOut: leftOut[of],
    });
    return {
      estimate: ratio.estimate,
      interval: ratio.interval,
      baseline: arm('baseline'),
      canary: arm('canary'),
    };
  }

  private sampleComparison(): Pick<Check, 'estimate' | 'interval' | 'baseline' | 'canary'> {
    const { baseline, canary } = this.sampleRatio.counts;
    const n = baseline + canary;
    return {
      estimate: this.sampleRatio.ratio?.estimate ?? null,
      interval: this.sampleRatio.ratio?.interval ?? null,
      baseline: { n: baseline, value: n > 0 ? baseline / n : null },
      canary: { n: canary, value: n > 0 ? canary / n : null },
    };
  }
}
