SELECT APPROX_QUANTILES(latency_ms, 1000)[OFFSET(500)] AS latencyP50, APPROX_QUANTILES(latency_ms, 1000)[OFFSET(950)] AS latencyP95
FROM `assay.shadows` AS s
WHERE predictor = @predictor AND version = @challenger
  AND shadowed_at >= TIMESTAMP_MILLIS(@since)
