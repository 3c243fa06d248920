/** How often, how long, and for how much BigQuery is asked. */
import type { JobLimits } from './warehouse.bigquery.jobs.js';
import type { RowsOptions } from './warehouse.bigquery.rows.js';

const GIB = 2 ** 30;
/** How much more than a question a rebuild may read, which reads everything. */
const UPKEEP_TIMES = 20;

/** Of the stream. */
export const ROWS: RowsOptions = { retry: { attempts: 5, firstMs: 200, limitMs: 5000 }, answerMs: 20_000 };

/** Of the jobs. */
export function limitsOf(maxGib: number): JobLimits {
  return {
    question: {
      retry: { attempts: 3, firstMs: 200, limitMs: 2000 },
      timeMs: 30_000,
      bytesBilled: maxGib * GIB,
    },
    upkeep: {
      retry: { attempts: 5, firstMs: 500, limitMs: 10_000 },
      timeMs: 600_000,
      bytesBilled: maxGib * GIB * UPKEEP_TIMES,
    },
  };
}

export interface BigQueryWarehouseOptions {
  /** What one question may read, GiB; sealing and rebuilding twenty times as much. */
  maxGib: number;
  /** Events behind the sealed rows from which they are sealed too, */
  sealAfterEvents?: number;
  /** or how long after the last seal, milliseconds. */
  sealAfterMs?: number;
  /** Tries, waits and limits of the requests. */
  limits?: JobLimits;
  rows?: RowsOptions;
}
