SELECT predictor, version, hour, predictions, labelled, correct, ranked, missed, top3, top5, errors,
  ((correct) / NULLIF(labelled, 0)) AS accuracy, ((labelled) / NULLIF(predictions, 0)) AS coverage
FROM (
  SELECT predictor, version, date_trunc('hour', predicted_at) AS hour, COUNT(*) AS predictions,
    COUNT(*) FILTER (WHERE outcome IS NOT NULL) AS labelled, COUNT(*) FILTER (WHERE outcome = 'right') AS correct,
    COUNT(*) FILTER (WHERE outcome = 'ranked') AS ranked, COUNT(*) FILTER (WHERE outcome = 'missed') AS missed,
    COUNT(*) FILTER (WHERE truth_rank < 3) AS top3, COUNT(*) FILTER (WHERE truth_rank < 5) AS top5,
    COUNT(*) FILTER (WHERE status = 'failed') AS errors
  FROM prediction_outcomes
  GROUP BY 1, 2, 3
) AS a
