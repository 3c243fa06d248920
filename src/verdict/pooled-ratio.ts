/**
 * One ratio of two rates over many cells (Mantel-Haenszel): arms are compared within a cell and the cells
 * are then weighted by `nB nC / (nB + nC)`. Adding up the arms first would compare the hours and label ages
 * in which each arm happened to have its traffic; a ramp during a drift would show a difference that no
 * cell has.
 *
 * The 95 % interval is that of Greenland and Robins (1985), Biometrics 41:55-68, on the log of the ratio. It
 * is for people to read and holds for one look; the verdict rests on the evidence instead. It treats a
 * subject's scores in different cells as independent.
 */
import type { Counts } from './e-process.js';

/** The canary's rate over the baseline's, from the cells added so far. */
export class PooledRatio {
  private canary = 0;
  private baseline = 0;
  private weight = 0;
  private spread = 0;

  add({ nB, yB, nC, yC }: Counts): void {
    const n = nB + nC;
    if (nB === 0 || nC === 0) return;
    this.canary += (yC * nB) / n;
    this.baseline += (yB * nC) / n;
    this.weight += (nB * nC) / n;
    this.spread += ((yB + yC) * nB * nC - yB * yC * n) / (n * n);
  }

  /** Rate of the canary over rate of the baseline; null while the baseline has no event. */
  get estimate(): number | null {
    return this.baseline > 0 ? this.canary / this.baseline : null;
  }

  /** Null while one of the arms has no event. */
  get interval(): [number, number] | null {
    if (this.baseline === 0 || this.canary === 0) return null;
    const ratio = this.canary / this.baseline;
    const halfWidth = 1.96 * Math.sqrt(this.spread / (this.canary * this.baseline));
    return [ratio * Math.exp(-halfWidth), ratio * Math.exp(halfWidth)];
  }

  /** Events per subject and cell, both arms in the same mix of cells, so that their ratio is `estimate`. */
  get rates(): { baseline: number; canary: number } | null {
    if (this.weight === 0) return null;
    return { baseline: this.baseline / this.weight, canary: this.canary / this.weight };
  }
}
