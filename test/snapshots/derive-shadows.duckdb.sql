SELECT prediction_id, predictor, version, shadowed_at, recorded_at, status, error_kind,
  candidates[1].label AS label, candidates[1].confidence AS confidence,
  candidates, latency_ms, event_id, revision, position
FROM (
  SELECT SUBSTR(stream, 12) AS prediction_id, predictor, j.version AS version,
    occurred_at AS shadowed_at, recorded_at,
    CASE WHEN j IS NULL THEN 'unreadable' WHEN j.error.kind IS NOT NULL THEN 'failed' ELSE 'ok' END AS status,
    j.error.kind AS error_kind, list_transform(coalesce(j.candidates, []), lambda c, i: {rank: CAST(i - 1 AS BIGINT), label: c.label, confidence: c.confidence}) AS candidates, TRY_CAST(round(j.latencyMs) AS BIGINT) AS latency_ms,
    event_id, revision, position
  FROM (
    SELECT stream, predictor, occurred_at, recorded_at, event_id, revision, position, TRY(from_json(payload, '{"version":"VARCHAR","latencyMs":"DOUBLE","error":{"kind":"VARCHAR"},"candidates":[{"label":"VARCHAR","confidence":"DOUBLE"}]}')) AS j
    FROM events
    WHERE type IN ('assay.prediction.shadowed') AND position > 1000 AND position <= 2000
    
  ) AS e
) AS s
