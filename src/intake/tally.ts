/** Port to whoever counts what was answered; the service works the same without anybody. */
import type { Outcome } from '../event/prediction.js';

/** DI token of the tally in use. */
export const TALLY = Symbol('Tally');

/** Told at the moment of the answer, on the hot path: must not throw and must not wait. */
export interface Tally {
  /** @param version deployed; unrecorded: served while the store could not write */
  predicted(predictor: string, version: string, outcome: 'recorded' | 'failed' | 'unrecorded'): void;
  /**
   * @param version of the challenger
   * @param outcome skipped: not asked, too many calls were under way; lost: its answer could not be recorded
   */
  shadowed(predictor: string, version: string, outcome: 'recorded' | 'failed' | 'skipped' | 'lost'): void;
  /** @param version of the prediction that was corrected, which need not be deployed here */
  corrected(predictor: string, version: string, outcome: Outcome['status']): void;
}
