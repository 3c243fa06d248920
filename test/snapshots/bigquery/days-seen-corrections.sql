SELECT FORMAT_TIMESTAMP('%F', corrected_at) AS day, COUNT(*) AS n, CAST(BIT_XOR(FARM_FINGERPRINT(TO_JSON_STRING(t))) AS STRING) AS checksum
FROM (
SELECT * FROM `assay.corrections_sealed_1` WHERE position <= 1000
UNION ALL
SELECT COALESCE(JSON_VALUE(j, '$.correctionId'), event_id) AS correction_id, SUBSTR(stream, 12) AS prediction_id,
  
  CASE WHEN j IS NULL THEN 'unreadable' WHEN type = 'assay.prediction.correction_retracted' THEN 'retracted'
    ELSE 'corrected' END AS kind, SAFE_CAST(ROUND(SAFE_CAST(JSON_VALUE(j, '$.rank') AS FLOAT64)) AS INT64) AS rank,
  JSON_VALUE(j, '$.label') AS label, COALESCE(SAFE_CAST(JSON_VALUE(j, '$.none') AS BOOL), FALSE) AS none,
  JSON_VALUE(j, '$.actor') AS actor, JSON_VALUE(j, '$.comment') AS comment,
  occurred_at AS corrected_at, recorded_at, event_id, revision, position
FROM (
  SELECT stream, type, occurred_at, recorded_at, event_id, revision, position, payload AS j
  FROM `assay.events`
  WHERE type IN ('assay.prediction.corrected', 'assay.prediction.correction_retracted') AND position > 1000 AND recorded_at >= TIMESTAMP '2026-03-01T09:00:00.000Z'
  QUALIFY ROW_NUMBER() OVER (PARTITION BY stream, revision ORDER BY position) = 1
) AS e
) AS t
WHERE position <= 2000
GROUP BY 1
ORDER BY 1
