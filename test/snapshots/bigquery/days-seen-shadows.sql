SELECT FORMAT_TIMESTAMP('%F', shadowed_at) AS day, COUNT(*) AS n, CAST(BIT_XOR(FARM_FINGERPRINT(TO_JSON_STRING(t))) AS STRING) AS checksum
FROM (
SELECT * FROM `assay.shadows_sealed_1` WHERE position <= 1000
UNION ALL
SELECT prediction_id, predictor, version, shadowed_at, recorded_at, status, error_kind,
  candidates[SAFE_OFFSET(0)].label AS label, candidates[SAFE_OFFSET(0)].confidence AS confidence,
  candidates, latency_ms, event_id, revision, position
FROM (
  SELECT SUBSTR(stream, 12) AS prediction_id, predictor, JSON_VALUE(j, '$.version') AS version,
    occurred_at AS shadowed_at, recorded_at,
    CASE WHEN j IS NULL THEN 'unreadable' WHEN JSON_VALUE(j, '$.error.kind') IS NOT NULL THEN 'failed' ELSE 'ok' END AS status,
    JSON_VALUE(j, '$.error.kind') AS error_kind, ARRAY(SELECT AS STRUCT o AS rank, JSON_VALUE(c, '$.label') AS label, SAFE_CAST(JSON_VALUE(c, '$.confidence') AS FLOAT64) AS confidence FROM UNNEST(JSON_QUERY_ARRAY(j, '$.candidates')) AS c WITH OFFSET AS o ORDER BY o) AS candidates, SAFE_CAST(ROUND(SAFE_CAST(JSON_VALUE(j, '$.latencyMs') AS FLOAT64)) AS INT64) AS latency_ms,
    event_id, revision, position
  FROM (
    SELECT stream, predictor, occurred_at, recorded_at, event_id, revision, position, payload AS j
    FROM `assay.events`
    WHERE type IN ('assay.prediction.shadowed') AND position > 1000 AND recorded_at >= TIMESTAMP '2026-03-01T09:00:00.000Z'
    QUALIFY ROW_NUMBER() OVER (PARTITION BY stream, revision ORDER BY position) = 1
  ) AS e
) AS s
) AS t
WHERE position <= 2000
GROUP BY 1
ORDER BY 1
