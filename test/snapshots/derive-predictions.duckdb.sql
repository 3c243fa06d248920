SELECT prediction_id, predictor, version, subject, predicted_at, recorded_at, status, error_kind,
  candidates[1].label AS label, candidates[1].confidence AS confidence,
  candidates, latency_ms, pinned, event_id, position, metadata
FROM (
  SELECT SUBSTR(stream, 12) AS prediction_id, predictor, j.version AS version,
    j.subject AS subject, occurred_at AS predicted_at, recorded_at,
    
    CASE WHEN j IS NULL THEN 'unreadable' WHEN type = 'assay.prediction.failed' THEN 'failed' ELSE 'ok' END AS status, j.error.kind AS error_kind,
    list_transform(coalesce(j.candidates, []), lambda c, i: {rank: CAST(i - 1 AS BIGINT), label: c.label, confidence: c.confidence}) AS candidates, TRY_CAST(round(j.latencyMs) AS BIGINT) AS latency_ms,
    COALESCE(j.pinned, FALSE) AS pinned, event_id, position,
    CAST(j.metadata AS VARCHAR) AS metadata
  FROM (
    SELECT stream, predictor, occurred_at, recorded_at, type, event_id, position, TRY(from_json(payload, '{"version":"VARCHAR","subject":"VARCHAR","latencyMs":"DOUBLE","pinned":"BOOLEAN","error":{"kind":"VARCHAR"},"candidates":[{"label":"VARCHAR","confidence":"DOUBLE"}],"metadata":"JSON"}')) AS j
    FROM events
    WHERE type IN ('assay.prediction.recorded', 'assay.prediction.failed') AND position > 1000 AND position <= 2000 AND (revision = 0 OR CONCAT(stream, '|', CAST(revision AS STRING)) IN (
      SELECT CONCAT(a.stream, '|', CAST(MIN(a.revision) AS STRING)) FROM events AS a
      WHERE a.type IN ('assay.prediction.recorded', 'assay.prediction.failed') AND a.stream IN (
        SELECT stream FROM events
        WHERE type IN ('assay.prediction.recorded', 'assay.prediction.failed') AND revision > 0 AND position > 1000 AND position <= 2000)
      GROUP BY a.stream))
    
  ) AS e
) AS p
