SELECT version,
  COUNT(*) AS predictions, COUNT(*) FILTER (WHERE outcome IS NOT NULL) AS labelled, COUNT(*) FILTER (WHERE outcome = 'right') AS correct,
  COUNT(*) FILTER (WHERE truth_rank < 3) AS top3, COUNT(*) FILTER (WHERE truth_rank < 5) AS top5,
  SUM(COALESCE(1 / (truth_rank + 1), 0)) AS reciprocalRanks, COUNT(*) FILTER (WHERE status = 'failed') AS errors,
  quantile_disc(latency_ms, 0.5) AS latencyP50, quantile_disc(latency_ms, 0.95) AS latencyP95
FROM prediction_outcomes AS o
WHERE predictor = $predictor
  AND predicted_at >= make_timestamptz(CAST($from AS BIGINT) * 1000) AND predicted_at < make_timestamptz(CAST($to AS BIGINT) * 1000)
GROUP BY 1
ORDER BY 1
