/**
 * What the judge looks at: per version and bucket of prediction time, how many subjects were at risk of being
 * labelled in each age bin and what their first labels said. Sums of per-subject means, so that five
 * predictions of one user are one piece of evidence.
 */

/** One version in one bucket. */
export interface BucketRow {
  version: string;
  /** Start of the bucket, milliseconds; a multiple of the policy's bucketSeconds. */
  bucket: number;
  /** Predictions, failed ones included, pinned ones excluded (as everywhere below). */
  predictions: number;
  /** Subjects with at least one prediction in the bucket, failed ones included. */
  subjects: number;
  /** Sum over those subjects of the share of their predictions that failed. */
  errors: number;
  /** Subjects with at least one answered prediction whose latency is known. */
  timedSubjects: number;
  /** Sum over those of the share of their predictions that were slower than the policy's limit. */
  slow: number;
  /** Subjects whose first prediction of the canary's window lies in this bucket: what the split drew. */
  newcomers: number;
  /** Per age bin: subjects with at least one answered prediction not labelled before the bin began. */
  atRisk: number[];
  /** Per age bin: sum over those subjects of the share of at-risk predictions whose first label says right. */
  right: number[];
  /** Per age bin: the same for first labels that say wrong. */
  wrong: number[];
}
