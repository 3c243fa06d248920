SELECT version, bucket, SUM(predictions) AS predictions, COUNT(*) AS subjects,
  SUM(COALESCE(SAFE_DIVIDE(failed, predictions), 0)) AS errors,
  COUNTIF(timed > 0) AS timedSubjects, SUM(COALESCE(SAFE_DIVIDE(slow, timed), 0)) AS slow, COUNTIF(nth = 1) AS newcomers,
  [COUNTIF(at_risk_0 > 0), COUNTIF(at_risk_1 > 0), COUNTIF(at_risk_2 > 0), COUNTIF(at_risk_3 > 0), COUNTIF(at_risk_4 > 0), COUNTIF(at_risk_5 > 0)] AS atRisk,
  [SUM(COALESCE(SAFE_DIVIDE(right_0, at_risk_0), 0)), SUM(COALESCE(SAFE_DIVIDE(right_1, at_risk_1), 0)), SUM(COALESCE(SAFE_DIVIDE(right_2, at_risk_2), 0)), SUM(COALESCE(SAFE_DIVIDE(right_3, at_risk_3), 0)), SUM(COALESCE(SAFE_DIVIDE(right_4, at_risk_4), 0)), SUM(COALESCE(SAFE_DIVIDE(right_5, at_risk_5), 0))] AS rightMeans,
  [SUM(COALESCE(SAFE_DIVIDE(wrong_0, at_risk_0), 0)), SUM(COALESCE(SAFE_DIVIDE(wrong_1, at_risk_1), 0)), SUM(COALESCE(SAFE_DIVIDE(wrong_2, at_risk_2), 0)), SUM(COALESCE(SAFE_DIVIDE(wrong_3, at_risk_3), 0)), SUM(COALESCE(SAFE_DIVIDE(wrong_4, at_risk_4), 0)), SUM(COALESCE(SAFE_DIVIDE(wrong_5, at_risk_5), 0))] AS wrongMeans,
  [COUNTIF(scored_0 > 0), COUNTIF(scored_1 > 0)] AS scored,
  [SUM(COALESCE(SAFE_DIVIDE(score_sum_0, scored_0), 0)), SUM(COALESCE(SAFE_DIVIDE(score_sum_1, scored_1), 0))] AS scoreMeans,
  [SUM(unscored_0), SUM(unscored_1)] AS unscored
FROM (
  SELECT s.*, ROW_NUMBER() OVER (PARTITION BY person ORDER BY first_predicted_at, version) AS nth
  FROM (
    SELECT version, bucket, person, MIN(predicted_at) AS first_predicted_at, COUNT(*) AS predictions,
      COUNTIF(status = 'failed') AS failed, COUNTIF(status = 'ok' AND latency_ms IS NOT NULL) AS timed,
      COUNTIF(FALSE) AS slow,
        COUNTIF(status = 'ok' AND bin >= 0) AS at_risk_0,
      COUNTIF(status = 'ok' AND bin = 0 AND says_right) AS right_0,
      COUNTIF(status = 'ok' AND bin = 0 AND NOT says_right) AS wrong_0,
        COUNTIF(status = 'ok' AND bin >= 1) AS at_risk_1,
      COUNTIF(status = 'ok' AND bin = 1 AND says_right) AS right_1,
      COUNTIF(status = 'ok' AND bin = 1 AND NOT says_right) AS wrong_1,
        COUNTIF(status = 'ok' AND bin >= 2) AS at_risk_2,
      COUNTIF(status = 'ok' AND bin = 2 AND says_right) AS right_2,
      COUNTIF(status = 'ok' AND bin = 2 AND NOT says_right) AS wrong_2,
        COUNTIF(status = 'ok' AND bin >= 3) AS at_risk_3,
      COUNTIF(status = 'ok' AND bin = 3 AND says_right) AS right_3,
      COUNTIF(status = 'ok' AND bin = 3 AND NOT says_right) AS wrong_3,
        COUNTIF(status = 'ok' AND bin >= 4) AS at_risk_4,
      COUNTIF(status = 'ok' AND bin = 4 AND says_right) AS right_4,
      COUNTIF(status = 'ok' AND bin = 4 AND NOT says_right) AS wrong_4,
        COUNTIF(status = 'ok' AND bin >= 5) AS at_risk_5,
      COUNTIF(status = 'ok' AND bin = 5 AND says_right) AS right_5,
      COUNTIF(status = 'ok' AND bin = 5 AND NOT says_right) AS wrong_5,
      COUNTIF(status = 'ok' AND score_0 IS NOT NULL) AS scored_0,
      SUM(IF(status = 'ok', score_0, NULL)) AS score_sum_0,
      COUNTIF(status = 'ok' AND score_0 IS NULL) AS unscored_0,
      COUNTIF(status = 'ok' AND score_1 IS NOT NULL) AS scored_1,
      SUM(IF(status = 'ok', score_1, NULL)) AS score_sum_1,
      COUNTIF(status = 'ok' AND score_1 IS NULL) AS unscored_1
    FROM (
      SELECT p.version, 300000 * DIV(UNIX_MILLIS(p.predicted_at), 300000) AS bucket,
        FARM_FINGERPRINT(COALESCE(p.subject, p.prediction_id)) AS person, p.predicted_at, p.status, p.latency_ms,
        COALESCE(IF(c.first_given_rank IS NOT NULL, IF(c.first_given_rank < ARRAY_LENGTH(p.candidates), c.first_given_rank, NULL), (SELECT MIN(one.rank) FROM UNNEST(p.candidates) AS one WHERE one.label = c.first_given_label)) < 1, FALSE) AS says_right,
        CASE WHEN c.first_at IS NULL THEN 6 WHEN UNIX_MILLIS(c.first_at) - UNIX_MILLIS(p.predicted_at) < 300000 THEN 0 WHEN UNIX_MILLIS(c.first_at) - UNIX_MILLIS(p.predicted_at) < 900000 THEN 1 WHEN UNIX_MILLIS(c.first_at) - UNIX_MILLIS(p.predicted_at) < 2400000 THEN 2 WHEN UNIX_MILLIS(c.first_at) - UNIX_MILLIS(p.predicted_at) < 6000000 THEN 3 WHEN UNIX_MILLIS(c.first_at) - UNIX_MILLIS(p.predicted_at) < 18000000 THEN 4 WHEN UNIX_MILLIS(c.first_at) - UNIX_MILLIS(p.predicted_at) < 86400000 THEN 5 ELSE 6 END AS bin,
        CASE WHEN TO_JSON_STRING(JSON_QUERY(p.metadata, '$."cost"')) = 'true' THEN 1.0 WHEN TO_JSON_STRING(JSON_QUERY(p.metadata, '$."cost"')) = 'false' THEN 0.0 WHEN SAFE_CAST(TO_JSON_STRING(JSON_QUERY(p.metadata, '$."cost"')) AS FLOAT64) >= 0 AND SAFE_CAST(TO_JSON_STRING(JSON_QUERY(p.metadata, '$."cost"')) AS FLOAT64) <= 1 THEN SAFE_CAST(TO_JSON_STRING(JSON_QUERY(p.metadata, '$."cost"')) AS FLOAT64) END AS score_0,
        CASE WHEN TO_JSON_STRING(JSON_QUERY(p.metadata, '$."usage"."tokens.total"')) = 'true' THEN 1.0 WHEN TO_JSON_STRING(JSON_QUERY(p.metadata, '$."usage"."tokens.total"')) = 'false' THEN 0.0 WHEN SAFE_CAST(TO_JSON_STRING(JSON_QUERY(p.metadata, '$."usage"."tokens.total"')) AS FLOAT64) >= 0 AND SAFE_CAST(TO_JSON_STRING(JSON_QUERY(p.metadata, '$."usage"."tokens.total"')) AS FLOAT64) <= 1 THEN SAFE_CAST(TO_JSON_STRING(JSON_QUERY(p.metadata, '$."usage"."tokens.total"')) AS FLOAT64) END AS score_1
      FROM `assay.predictions` AS p
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
  WHERE c.kind = 'corrected' AND r.correction_id IS NULL AND c.corrected_at >= TIMESTAMP_MILLIS(@labelsSince)
  GROUP BY c.prediction_id
) AS g
      ) AS c ON c.prediction_id = p.prediction_id
      WHERE p.predictor = @predictor AND NOT p.pinned
        AND p.version IN (@baseline, @canary)
        AND p.predicted_at >= TIMESTAMP_MILLIS(@since)
    ) AS q
    GROUP BY version, bucket, person
  ) AS s
) AS n
GROUP BY version, bucket
ORDER BY bucket, version
