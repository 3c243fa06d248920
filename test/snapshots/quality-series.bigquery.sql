SELECT version, UNIX_MILLIS(TIMESTAMP_TRUNC(predicted_at, HOUR)) AS start,
  COUNT(*) AS predictions, COUNTIF(outcome IS NOT NULL) AS labelled, COUNTIF(outcome = 'right') AS correct,
  COUNTIF(truth_rank < 3) AS top3, COUNTIF(truth_rank < 5) AS top5,
  SUM(COALESCE(1 / (truth_rank + 1), 0)) AS reciprocalRanks, COUNTIF(status = 'failed') AS errors,
  APPROX_QUANTILES(latency_ms, 1000)[OFFSET(500)] AS latencyP50, APPROX_QUANTILES(latency_ms, 1000)[OFFSET(950)] AS latencyP95
FROM `assay.prediction_outcomes` AS o
WHERE predictor = @predictor AND version = @version
  AND predicted_at >= TIMESTAMP_MILLIS(@from) AND predicted_at < TIMESTAMP_MILLIS(@to)
GROUP BY 1, 2
ORDER BY 2, 1
