SELECT COALESCE(j.correctionId, event_id) AS correction_id, SUBSTR(stream, 12) AS prediction_id,
  
  CASE WHEN j IS NULL THEN 'unreadable' WHEN type = 'assay.prediction.correction_retracted' THEN 'retracted'
    ELSE 'corrected' END AS kind, TRY_CAST(round(j.rank) AS BIGINT) AS rank,
  j.label AS label, COALESCE(j.none, FALSE) AS none,
  j.actor AS actor, j.comment AS comment,
  occurred_at AS corrected_at, recorded_at, event_id, revision, position
FROM (
  SELECT stream, type, occurred_at, recorded_at, event_id, revision, position, TRY(from_json(payload, '{"correctionId":"VARCHAR","rank":"DOUBLE","label":"VARCHAR","none":"BOOLEAN","actor":"VARCHAR","comment":"VARCHAR"}')) AS j
  FROM events
  WHERE type IN ('assay.prediction.corrected', 'assay.prediction.correction_retracted') AND position > 1000 AND position <= 2000
  
) AS e
