SELECT predictor, SUBSTR(type, 17) AS action,
  COALESCE(JSON_VALUE(j, '$.version'), JSON_VALUE(j, '$.canary'), JSON_VALUE(j, '$.challenger')) AS version,
  JSON_VALUE(j, '$.baseline') AS baseline, JSON_VALUE(j, '$.backend.kind') AS backend_kind,
  NULLIF(TO_JSON_STRING(JSON_QUERY(j, '$.split')), 'null') AS split, JSON_VALUE(j, '$.reason') AS reason,
  occurred_at AS effective_at, recorded_at, event_id, position
FROM (
  SELECT type, predictor, occurred_at, recorded_at, event_id, position, payload AS j
  FROM `assay.events`
  WHERE type IN ('assay.predictor.deployed', 'assay.predictor.traffic_split', 'assay.predictor.canary_started', 'assay.predictor.canary_judged', 'assay.predictor.canary_paused', 'assay.predictor.canary_resumed', 'assay.predictor.challenger_started', 'assay.predictor.challenger_stopped', 'assay.predictor.promoted', 'assay.predictor.rolled_back') AND position > 1000 AND position <= 2000
  QUALIFY ROW_NUMBER() OVER (PARTITION BY stream, revision ORDER BY position) = 1
) AS e
