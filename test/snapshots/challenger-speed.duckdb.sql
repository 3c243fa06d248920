SELECT quantile_disc(latency_ms, 0.5) AS latencyP50, quantile_disc(latency_ms, 0.95) AS latencyP95
FROM shadows AS s
WHERE predictor = $predictor AND version = $challenger
  AND shadowed_at >= make_timestamptz(CAST($since AS BIGINT) * 1000)
