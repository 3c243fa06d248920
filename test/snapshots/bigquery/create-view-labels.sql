CREATE OR REPLACE VIEW `assay.labels` AS
SELECT prediction_id, corrections,
  f.given_at AS first_at, f.given_rank AS first_given_rank, f.given_label AS first_given_label,
  l.given_at AS last_at, l.given_rank AS last_given_rank, l.given_label AS last_given_label
FROM (
  SELECT c.prediction_id, COUNT(*) AS corrections,
    ARRAY_AGG(STRUCT(c.corrected_at AS given_at, c.rank AS given_rank, c.label AS given_label) ORDER BY c.corrected_at, c.revision LIMIT 1)[OFFSET(0)] AS f,
    ARRAY_AGG(STRUCT(c.corrected_at AS given_at, c.rank AS given_rank, c.label AS given_label) ORDER BY c.corrected_at DESC, c.revision DESC LIMIT 1)[OFFSET(0)] AS l
  FROM `assay.corrections` AS c
  LEFT JOIN (
    SELECT DISTINCT prediction_id, correction_id FROM `assay.corrections` WHERE kind = 'retracted'
  ) AS r ON r.prediction_id = c.prediction_id AND r.correction_id = c.correction_id
  WHERE c.kind = 'corrected' AND r.correction_id IS NULL AND TRUE
  GROUP BY c.prediction_id
) AS g
