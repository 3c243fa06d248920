CREATE OR REPLACE VIEW `assay.prediction_outcomes` AS
SELECT prediction_id, predictor, version, subject, predicted_at, recorded_at, status, error_kind, label,
  confidence, candidates, latency_ms, pinned, corrections,
  CASE WHEN last_at IS NULL THEN NULL WHEN truth_rank = 0 THEN 'right' WHEN truth_rank > 0 THEN 'ranked'
    ELSE 'missed' END AS outcome,
  truth_rank, IF(truth_rank IS NULL, last_given_label, candidates[SAFE_OFFSET(truth_rank)].label) AS true_label,
  last_at AS labelled_at, first_rank, first_at
FROM (
  SELECT p.prediction_id, p.predictor, p.version, p.subject, p.predicted_at, p.recorded_at, p.status,
    p.error_kind, p.label, p.confidence, p.candidates, p.latency_ms, p.pinned,
    COALESCE(c.corrections, 0) AS corrections, c.last_at, c.first_at, c.last_given_label,
    IF(c.last_given_rank IS NOT NULL, IF(c.last_given_rank < ARRAY_LENGTH(p.candidates), c.last_given_rank, NULL), (SELECT MIN(one.rank) FROM UNNEST(p.candidates) AS one WHERE one.label = c.last_given_label)) AS truth_rank,
    IF(c.first_given_rank IS NOT NULL, IF(c.first_given_rank < ARRAY_LENGTH(p.candidates), c.first_given_rank, NULL), (SELECT MIN(one.rank) FROM UNNEST(p.candidates) AS one WHERE one.label = c.first_given_label)) AS first_rank
  FROM `assay.predictions` AS p
  LEFT JOIN `assay.labels` AS c ON c.prediction_id = p.prediction_id
) AS o
