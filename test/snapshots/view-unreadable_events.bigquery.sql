SELECT stream, revision, event_id, type, recorded_at, position FROM `assay.events` AS e
WHERE recorded_at >= TIMESTAMP_MILLIS(0) AND type IN ('assay.prediction.recorded', 'assay.prediction.failed', 'assay.prediction.corrected', 'assay.prediction.correction_retracted', 'assay.prediction.shadowed', 'assay.predictor.deployed', 'assay.predictor.traffic_split', 'assay.predictor.canary_started', 'assay.predictor.canary_judged', 'assay.predictor.canary_paused', 'assay.predictor.canary_resumed', 'assay.predictor.challenger_started', 'assay.predictor.challenger_stopped', 'assay.predictor.promoted', 'assay.predictor.rolled_back')
  AND NOT (payload IS NOT NULL)
QUALIFY ROW_NUMBER() OVER (PARTITION BY stream, revision ORDER BY position) = 1
