SELECT version, bucket, SUM(predictions) AS predictions, COUNT(*) AS subjects,
  SUM(COALESCE(((failed) / NULLIF(predictions, 0)), 0)) AS errors,
  COUNT(*) FILTER (WHERE timed > 0) AS timedSubjects, SUM(COALESCE(((slow) / NULLIF(timed, 0)), 0)) AS slow, COUNT(*) FILTER (WHERE nth = 1) AS newcomers,
  [COUNT(*) FILTER (WHERE at_risk_0 > 0), COUNT(*) FILTER (WHERE at_risk_1 > 0), COUNT(*) FILTER (WHERE at_risk_2 > 0), COUNT(*) FILTER (WHERE at_risk_3 > 0), COUNT(*) FILTER (WHERE at_risk_4 > 0), COUNT(*) FILTER (WHERE at_risk_5 > 0)] AS atRisk,
  [SUM(COALESCE(((right_0) / NULLIF(at_risk_0, 0)), 0)), SUM(COALESCE(((right_1) / NULLIF(at_risk_1, 0)), 0)), SUM(COALESCE(((right_2) / NULLIF(at_risk_2, 0)), 0)), SUM(COALESCE(((right_3) / NULLIF(at_risk_3, 0)), 0)), SUM(COALESCE(((right_4) / NULLIF(at_risk_4, 0)), 0)), SUM(COALESCE(((right_5) / NULLIF(at_risk_5, 0)), 0))] AS rightMeans,
  [SUM(COALESCE(((wrong_0) / NULLIF(at_risk_0, 0)), 0)), SUM(COALESCE(((wrong_1) / NULLIF(at_risk_1, 0)), 0)), SUM(COALESCE(((wrong_2) / NULLIF(at_risk_2, 0)), 0)), SUM(COALESCE(((wrong_3) / NULLIF(at_risk_3, 0)), 0)), SUM(COALESCE(((wrong_4) / NULLIF(at_risk_4, 0)), 0)), SUM(COALESCE(((wrong_5) / NULLIF(at_risk_5, 0)), 0))] AS wrongMeans,
  [COUNT(*) FILTER (WHERE scored_0 > 0), COUNT(*) FILTER (WHERE scored_1 > 0)] AS scored,
  [SUM(COALESCE(((score_sum_0) / NULLIF(scored_0, 0)), 0)), SUM(COALESCE(((score_sum_1) / NULLIF(scored_1, 0)), 0))] AS scoreMeans,
  [SUM(unscored_0), SUM(unscored_1)] AS unscored
FROM (
  SELECT s.*, ROW_NUMBER() OVER (PARTITION BY person ORDER BY first_predicted_at, version) AS nth
  FROM (
    SELECT version, bucket, person, MIN(predicted_at) AS first_predicted_at, COUNT(*) AS predictions,
      COUNT(*) FILTER (WHERE status = 'failed') AS failed, COUNT(*) FILTER (WHERE status = 'ok' AND latency_ms IS NOT NULL) AS timed,
      COUNT(*) FILTER (WHERE FALSE) AS slow,
        COUNT(*) FILTER (WHERE status = 'ok' AND bin >= 0) AS at_risk_0,
      COUNT(*) FILTER (WHERE status = 'ok' AND bin = 0 AND says_right) AS right_0,
      COUNT(*) FILTER (WHERE status = 'ok' AND bin = 0 AND NOT says_right) AS wrong_0,
        COUNT(*) FILTER (WHERE status = 'ok' AND bin >= 1) AS at_risk_1,
      COUNT(*) FILTER (WHERE status = 'ok' AND bin = 1 AND says_right) AS right_1,
      COUNT(*) FILTER (WHERE status = 'ok' AND bin = 1 AND NOT says_right) AS wrong_1,
        COUNT(*) FILTER (WHERE status = 'ok' AND bin >= 2) AS at_risk_2,
      COUNT(*) FILTER (WHERE status = 'ok' AND bin = 2 AND says_right) AS right_2,
      COUNT(*) FILTER (WHERE status = 'ok' AND bin = 2 AND NOT says_right) AS wrong_2,
        COUNT(*) FILTER (WHERE status = 'ok' AND bin >= 3) AS at_risk_3,
      COUNT(*) FILTER (WHERE status = 'ok' AND bin = 3 AND says_right) AS right_3,
      COUNT(*) FILTER (WHERE status = 'ok' AND bin = 3 AND NOT says_right) AS wrong_3,
        COUNT(*) FILTER (WHERE status = 'ok' AND bin >= 4) AS at_risk_4,
      COUNT(*) FILTER (WHERE status = 'ok' AND bin = 4 AND says_right) AS right_4,
      COUNT(*) FILTER (WHERE status = 'ok' AND bin = 4 AND NOT says_right) AS wrong_4,
        COUNT(*) FILTER (WHERE status = 'ok' AND bin >= 5) AS at_risk_5,
      COUNT(*) FILTER (WHERE status = 'ok' AND bin = 5 AND says_right) AS right_5,
      COUNT(*) FILTER (WHERE status = 'ok' AND bin = 5 AND NOT says_right) AS wrong_5,
      COUNT(*) FILTER (WHERE status = 'ok' AND score_0 IS NOT NULL) AS scored_0,
      SUM(IF(status = 'ok', score_0, NULL)) AS score_sum_0,
      COUNT(*) FILTER (WHERE status = 'ok' AND score_0 IS NULL) AS unscored_0,
      COUNT(*) FILTER (WHERE status = 'ok' AND score_1 IS NOT NULL) AS scored_1,
      SUM(IF(status = 'ok', score_1, NULL)) AS score_sum_1,
      COUNT(*) FILTER (WHERE status = 'ok' AND score_1 IS NULL) AS unscored_1
    FROM (
      SELECT p.version, 300000 * ((epoch_ms(p.predicted_at)) // (300000)) AS bucket,
        hash(COALESCE(p.subject, p.prediction_id)) AS person, p.predicted_at, p.status, p.latency_ms,
        COALESCE(IF(c.first_given_rank IS NOT NULL, IF(c.first_given_rank < len(p.candidates), c.first_given_rank, NULL), list_min(list_transform(list_filter(p.candidates, lambda one: one.label = c.first_given_label), lambda one: one.rank))) < 1, FALSE) AS says_right,
        CASE WHEN c.first_at IS NULL THEN 6 WHEN epoch_ms(c.first_at) - epoch_ms(p.predicted_at) < 300000 THEN 0 WHEN epoch_ms(c.first_at) - epoch_ms(p.predicted_at) < 900000 THEN 1 WHEN epoch_ms(c.first_at) - epoch_ms(p.predicted_at) < 2400000 THEN 2 WHEN epoch_ms(c.first_at) - epoch_ms(p.predicted_at) < 6000000 THEN 3 WHEN epoch_ms(c.first_at) - epoch_ms(p.predicted_at) < 18000000 THEN 4 WHEN epoch_ms(c.first_at) - epoch_ms(p.predicted_at) < 86400000 THEN 5 ELSE 6 END AS bin,
        CASE WHEN CAST(json_extract(p.metadata, '$."cost"') AS VARCHAR) = 'true' THEN 1.0 WHEN CAST(json_extract(p.metadata, '$."cost"') AS VARCHAR) = 'false' THEN 0.0 WHEN TRY_CAST(CAST(json_extract(p.metadata, '$."cost"') AS VARCHAR) AS DOUBLE) >= 0 AND TRY_CAST(CAST(json_extract(p.metadata, '$."cost"') AS VARCHAR) AS DOUBLE) <= 1 THEN TRY_CAST(CAST(json_extract(p.metadata, '$."cost"') AS VARCHAR) AS DOUBLE) END AS score_0,
        CASE WHEN CAST(json_extract(p.metadata, '$."usage"."tokens.total"') AS VARCHAR) = 'true' THEN 1.0 WHEN CAST(json_extract(p.metadata, '$."usage"."tokens.total"') AS VARCHAR) = 'false' THEN 0.0 WHEN TRY_CAST(CAST(json_extract(p.metadata, '$."usage"."tokens.total"') AS VARCHAR) AS DOUBLE) >= 0 AND TRY_CAST(CAST(json_extract(p.metadata, '$."usage"."tokens.total"') AS VARCHAR) AS DOUBLE) <= 1 THEN TRY_CAST(CAST(json_extract(p.metadata, '$."usage"."tokens.total"') AS VARCHAR) AS DOUBLE) END AS score_1
      FROM predictions AS p
      LEFT JOIN (
SELECT prediction_id, corrections,
  f.given_at AS first_at, f.given_rank AS first_given_rank, f.given_label AS first_given_label,
  l.given_at AS last_at, l.given_rank AS last_given_rank, l.given_label AS last_given_label
FROM (
  SELECT c.prediction_id, COUNT(*) AS corrections,
    first({given_at: c.corrected_at, given_rank: c.rank, given_label: c.label} ORDER BY c.corrected_at, c.revision) AS f,
    first({given_at: c.corrected_at, given_rank: c.rank, given_label: c.label} ORDER BY c.corrected_at DESC, c.revision DESC) AS l
  FROM corrections AS c
  LEFT JOIN (
    SELECT DISTINCT prediction_id, correction_id FROM corrections WHERE kind = 'retracted'
  ) AS r ON r.prediction_id = c.prediction_id AND r.correction_id = c.correction_id
  WHERE c.kind = 'corrected' AND r.correction_id IS NULL AND c.corrected_at >= make_timestamptz(CAST($labelsSince AS BIGINT) * 1000)
  GROUP BY c.prediction_id
) AS g
      ) AS c ON c.prediction_id = p.prediction_id
      WHERE p.predictor = $predictor AND NOT p.pinned
        AND p.version IN ($baseline, $canary)
        AND p.predicted_at >= make_timestamptz(CAST($since AS BIGINT) * 1000)
    ) AS q
    GROUP BY version, bucket, person
  ) AS s
) AS n
GROUP BY version, bucket
ORDER BY bucket, version
