SELECT bucket, shadowed, lost, won, unsure, wrong, COUNT(*) AS subjects, SUM(confirmed) AS confirmed,
  SUM(agreed) AS agreed, SUM(failed) AS failed
FROM (
  SELECT bucket, person, COUNT(*) AS shadowed,
    COUNT(*) FILTER (WHERE says_right AND NOT also_right) AS lost,
    COUNT(*) FILTER (WHERE says_wrong AND also_right) AS won,
    COUNT(*) FILTER (WHERE says_wrong AND not_known) AS unsure,
    COUNT(*) FILTER (WHERE says_wrong) AS wrong,
    COUNT(*) FILTER (WHERE says_right) AS confirmed,
    COUNT(*) FILTER (WHERE is_same) AS agreed,
    COUNT(*) FILTER (WHERE shadow_status = 'failed') AS failed
  FROM (
    SELECT bucket, person, shadow_status, COALESCE(shown_label = shadow_label, FALSE) AS is_same,
      is_labelled AND COALESCE(truth_rank < 1, FALSE) AS says_right,
      is_labelled AND NOT COALESCE(truth_rank < 1, FALSE) AS says_wrong,
      COALESCE(list_min(list_transform(list_filter(shadow_candidates, lambda one: one.label = truth), lambda one: one.rank)) < 1, FALSE) AS also_right,
      truth IS NULL AND shadow_label IS NOT NULL AND NOT (list_min(list_transform(list_filter(shown_candidates, lambda one: one.label = shadow_label), lambda one: one.rank)) IS NOT NULL) AS not_known
    FROM (
      SELECT bucket, person, shown_candidates, shown_label, shadow_candidates, shadow_label, shadow_status,
        is_labelled, truth_rank,
        IF(truth_rank IS NULL, given_label, shown_candidates[truth_rank + 1].label) AS truth
      FROM (
        SELECT 300000 * ((epoch_ms(p.predicted_at)) // (300000)) AS bucket,
          hash(COALESCE(p.subject, p.prediction_id)) AS person,
          p.candidates AS shown_candidates, p.label AS shown_label,
          s.answer.candidates AS shadow_candidates, s.answer.label AS shadow_label, s.answer.status AS shadow_status,
          COALESCE(epoch_ms(l.first_at) - epoch_ms(p.predicted_at) < 18000000, FALSE) AS is_labelled,
          IF(l.first_given_rank IS NOT NULL, IF(l.first_given_rank < len(p.candidates), l.first_given_rank, NULL), list_min(list_transform(list_filter(p.candidates, lambda one: one.label = l.first_given_label), lambda one: one.rank))) AS truth_rank, l.first_given_label AS given_label
        FROM predictions AS p
        JOIN (
          SELECT prediction_id, first({status: status, label: label, candidates: candidates} ORDER BY revision) AS answer
          FROM shadows AS h
          WHERE predictor = $predictor AND version = $challenger
            AND status IN ('ok', 'failed') AND shadowed_at >= make_timestamptz(CAST($skewedSince AS BIGINT) * 1000)
          GROUP BY prediction_id
        ) AS s ON s.prediction_id = p.prediction_id
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
  WHERE c.kind = 'corrected' AND r.correction_id IS NULL AND c.corrected_at >= make_timestamptz(CAST($skewedSince AS BIGINT) * 1000)
  GROUP BY c.prediction_id
) AS g
        ) AS l ON l.prediction_id = p.prediction_id
        WHERE p.predictor = $predictor AND NOT p.pinned AND p.status = 'ok'
          AND p.version = $baseline AND p.predicted_at >= make_timestamptz(CAST($since AS BIGINT) * 1000)
      ) AS r
    ) AS q
  ) AS c
  GROUP BY bucket, person
) AS s
GROUP BY bucket, shadowed, lost, won, unsure, wrong
ORDER BY bucket, shadowed, lost, won, unsure, wrong
