SELECT bucket, shadowed, lost, won, unsure, wrong, COUNT(*) AS subjects, SUM(confirmed) AS confirmed,
  SUM(agreed) AS agreed, SUM(failed) AS failed
FROM (
  SELECT bucket, person, COUNT(*) AS shadowed,
    COUNTIF(says_right AND NOT also_right) AS lost,
    COUNTIF(says_wrong AND also_right) AS won,
    COUNTIF(says_wrong AND not_known) AS unsure,
    COUNTIF(says_wrong) AS wrong,
    COUNTIF(says_right) AS confirmed,
    COUNTIF(is_same) AS agreed,
    COUNTIF(shadow_status = 'failed') AS failed
  FROM (
    SELECT bucket, person, shadow_status, COALESCE(shown_label = shadow_label, FALSE) AS is_same,
      is_labelled AND COALESCE(truth_rank < 1, FALSE) AS says_right,
      is_labelled AND NOT COALESCE(truth_rank < 1, FALSE) AS says_wrong,
      COALESCE((SELECT MIN(one.rank) FROM UNNEST(shadow_candidates) AS one WHERE one.label = truth) < 1, FALSE) AS also_right,
      truth IS NULL AND shadow_label IS NOT NULL AND NOT ((SELECT MIN(one.rank) FROM UNNEST(shown_candidates) AS one WHERE one.label = shadow_label) IS NOT NULL) AS not_known
    FROM (
      SELECT bucket, person, shown_candidates, shown_label, shadow_candidates, shadow_label, shadow_status,
        is_labelled, truth_rank,
        IF(truth_rank IS NULL, given_label, shown_candidates[SAFE_OFFSET(truth_rank)].label) AS truth
      FROM (
        SELECT 300000 * DIV(UNIX_MILLIS(p.predicted_at), 300000) AS bucket,
          FARM_FINGERPRINT(COALESCE(p.subject, p.prediction_id)) AS person,
          p.candidates AS shown_candidates, p.label AS shown_label,
          s.answer.candidates AS shadow_candidates, s.answer.label AS shadow_label, s.answer.status AS shadow_status,
          COALESCE(UNIX_MILLIS(l.first_at) - UNIX_MILLIS(p.predicted_at) < 18000000, FALSE) AS is_labelled,
          IF(l.first_given_rank IS NOT NULL, IF(l.first_given_rank < ARRAY_LENGTH(p.candidates), l.first_given_rank, NULL), (SELECT MIN(one.rank) FROM UNNEST(p.candidates) AS one WHERE one.label = l.first_given_label)) AS truth_rank, l.first_given_label AS given_label
        FROM `assay.predictions` AS p
        JOIN (
          SELECT prediction_id, ARRAY_AGG(STRUCT(status AS status, label AS label, candidates AS candidates) ORDER BY revision LIMIT 1)[OFFSET(0)] AS answer
          FROM `assay.shadows` AS h
          WHERE predictor = @predictor AND version = @challenger
            AND status IN ('ok', 'failed') AND shadowed_at >= TIMESTAMP_MILLIS(@skewedSince)
          GROUP BY prediction_id
        ) AS s ON s.prediction_id = p.prediction_id
        LEFT JOIN (
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
  WHERE c.kind = 'corrected' AND r.correction_id IS NULL AND c.corrected_at >= TIMESTAMP_MILLIS(@skewedSince)
  GROUP BY c.prediction_id
) AS g
        ) AS l ON l.prediction_id = p.prediction_id
        WHERE p.predictor = @predictor AND NOT p.pinned AND p.status = 'ok'
          AND p.version = @baseline AND p.predicted_at >= TIMESTAMP_MILLIS(@since)
      ) AS r
    ) AS q
  ) AS c
  GROUP BY bucket, person
) AS s
GROUP BY bucket, shadowed, lost, won, unsure, wrong
ORDER BY bucket, shadowed, lost, won, unsure, wrong
