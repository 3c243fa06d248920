SELECT predictor, version, hour, predictions, labelled, correct, ranked, missed, top3, top5, errors,
  ((correct) / NULLIF(labelled, 0)) AS accuracy, ((labelled) / NULLIF(predictions, 0)) AS coverage
FROM (
  SELECT predictor, version, date_trunc('hour', predicted_at) AS hour, COUNT(*) AS predictions,
    COUNTIF(outcome IS NOT NULL) AS labelled, COUNTIF(outcome = 'right') AS correct,
    COUNTIF(outcome = 'ranked') AS ranked, COUNTIF(outcome = 'missed') AS missed,
    COUNTIF(truth_rank < 3) AS top3, COUNTIF(truth_rank < 5) AS top5,
    COUNTIF(status = 'failed') AS errors
  FROM prediction_outcomes
  GROUP BY 1, 2, 3
) AS a
