INSERT INTO `assay.predictions_sealed_1`
SELECT prediction_id, predictor, version, subject, predicted_at, recorded_at, status, error_kind,
  candidates[SAFE_OFFSET(0)].label AS label, candidates[SAFE_OFFSET(0)].confidence AS confidence,
  candidates, latency_ms, pinned, event_id, position, metadata
FROM (
  SELECT SUBSTR(stream, 12) AS prediction_id, predictor, JSON_VALUE(j, '$.version') AS version,
    JSON_VALUE(j, '$.subject') AS subject, occurred_at AS predicted_at, recorded_at,
    
    CASE WHEN j IS NULL THEN 'unreadable' WHEN type = 'assay.prediction.failed' THEN 'failed' ELSE 'ok' END AS status, JSON_VALUE(j, '$.error.kind') AS error_kind,
    ARRAY(SELECT AS STRUCT o AS rank, JSON_VALUE(c, '$.label') AS label, SAFE_CAST(JSON_VALUE(c, '$.confidence') AS FLOAT64) AS confidence FROM UNNEST(JSON_QUERY_ARRAY(j, '$.candidates')) AS c WITH OFFSET AS o ORDER BY o) AS candidates, SAFE_CAST(ROUND(SAFE_CAST(JSON_VALUE(j, '$.latencyMs') AS FLOAT64)) AS INT64) AS latency_ms,
    COALESCE(SAFE_CAST(JSON_VALUE(j, '$.pinned') AS BOOL), FALSE) AS pinned, event_id, position,
    JSON_QUERY(j, '$.metadata') AS metadata
  FROM (
    SELECT stream, predictor, occurred_at, recorded_at, type, event_id, position, payload AS j
    FROM `assay.events`
    WHERE type IN ('assay.prediction.recorded', 'assay.prediction.failed') AND position > 1000 AND position <= 2000 AND recorded_at >= TIMESTAMP '2026-03-01T09:00:00.000Z' AND (revision = 0 OR CONCAT(stream, '|', CAST(revision AS STRING)) IN (
      SELECT CONCAT(a.stream, '|', CAST(MIN(a.revision) AS STRING)) FROM `assay.events` AS a
      WHERE a.type IN ('assay.prediction.recorded', 'assay.prediction.failed') AND a.recorded_at >= TIMESTAMP '2026-01-30T09:00:00.000Z' AND a.stream IN (
        SELECT stream FROM `assay.events`
        WHERE type IN ('assay.prediction.recorded', 'assay.prediction.failed') AND revision > 0 AND position > 1000 AND position <= 2000 AND recorded_at >= TIMESTAMP '2026-03-01T09:00:00.000Z')
      GROUP BY a.stream))
    QUALIFY ROW_NUMBER() OVER (PARTITION BY stream, revision ORDER BY position) = 1
  ) AS e
) AS p
