SELECT predictor, SUBSTR(type, 17) AS action,
  COALESCE(j.version, j.canary, j.challenger) AS version,
  j.baseline AS baseline, j.backend.kind AS backend_kind,
  CAST(j.split AS VARCHAR) AS split, j.reason AS reason,
  occurred_at AS effective_at, recorded_at, event_id, position
FROM (
  SELECT type, predictor, occurred_at, recorded_at, event_id, position, TRY(from_json(payload, '{"version":"VARCHAR","canary":"VARCHAR","challenger":"VARCHAR","baseline":"VARCHAR","backend":{"kind":"VARCHAR"},"split":"JSON","reason":"VARCHAR"}')) AS j
  FROM events
  WHERE type IN ('assay.predictor.deployed', 'assay.predictor.traffic_split', 'assay.predictor.canary_started', 'assay.predictor.canary_judged', 'assay.predictor.canary_paused', 'assay.predictor.canary_resumed', 'assay.predictor.challenger_started', 'assay.predictor.challenger_stopped', 'assay.predictor.promoted', 'assay.predictor.rolled_back') AND position > 1000 AND position <= 2000
  
) AS e
