SELECT version,
  COUNT(*) AS predictions, COUNTIF(outcome IS NOT NULL) AS labelled, COUNTIF(outcome = 'right') AS correct,
  COUNTIF(truth_rank < 3) AS top3, COUNTIF(truth_rank < 5) AS top5,
  SUM(COALESCE(1 / (truth_rank + 1), 0)) AS reciprocalRanks, COUNTIF(status = 'failed') AS errors,
  quantile_disc(latency_ms, 0.5) AS latencyP50, quantile_disc(latency_ms, 0.95) AS latencyP95
FROM prediction_outcomes AS o
WHERE predictor = $predictor
  AND predicted_at >= make_timestamptz(CAST($from AS BIGINT) * 1000) AND predicted_at < make_timestamptz(CAST($to AS BIGINT) * 1000)
GROUP BY 1
ORDER BY 1
