/** What corrections say, in SQL: used by the views that people see and by the judge's cells alike. */
import type { Statement } from './warehouse.js';

/**
 * First and last correction of each prediction that was not retracted, whether the retraction came after it or
 * ahead of it. Of equal times the later revision is the later one.
 * @param condition on the corrections `c` that are looked at
 */
export function labelsStatement(condition = 'TRUE'): Statement {
  return (sql) => {
    const given = sql.struct({
      given_at: 'c.corrected_at',
      given_rank: 'c.rank',
      given_label: 'c.label',
    });
    return `
SELECT prediction_id, corrections,
  f.given_at AS first_at, f.given_rank AS first_given_rank, f.given_label AS first_given_label,
  l.given_at AS last_at, l.given_rank AS last_given_rank, l.given_label AS last_given_label
FROM (
  SELECT c.prediction_id, COUNT(*) AS corrections,
    ${sql.firstBy(given, 'c.corrected_at, c.revision')} AS f,
    ${sql.firstBy(given, 'c.corrected_at DESC, c.revision DESC')} AS l
  FROM ${sql.table('corrections')} AS c
  LEFT JOIN (
    SELECT DISTINCT prediction_id, correction_id FROM ${sql.table('corrections')} WHERE kind = 'retracted'
  ) AS r ON r.prediction_id = c.prediction_id AND r.correction_id = c.correction_id
  WHERE c.kind = 'corrected' AND r.correction_id IS NULL AND ${condition}
  GROUP BY c.prediction_id
) AS g`;
  };
}

/**
 * Rank of the candidate that a correction points at: its own rank if there is such a candidate, else the first
 * candidate with its label; NULL when there is none.
 */
export function rankGiven(rank: string, label: string, candidates: string): Statement {
  return (sql) =>
    `IF(${rank} IS NOT NULL, IF(${rank} < ${sql.length(candidates)}, ${rank}, NULL), ` +
    `${sql.rankOf(candidates, label)})`;
}
