CREATE OR REPLACE VIEW `assay.accuracy_hourly` AS
SELECT predictor, version, hour, predictions, labelled, correct, ranked, missed, top3, top5, errors,
  SAFE_DIVIDE(correct, labelled) AS accuracy, SAFE_DIVIDE(labelled, predictions) AS coverage
FROM (
  SELECT predictor, version, TIMESTAMP_TRUNC(predicted_at, HOUR) AS hour, COUNT(*) AS predictions,
    COUNTIF(outcome IS NOT NULL) AS labelled, COUNTIF(outcome = 'right') AS correct,
    COUNTIF(outcome = 'ranked') AS ranked, COUNTIF(outcome = 'missed') AS missed,
    COUNTIF(truth_rank < 3) AS top3, COUNTIF(truth_rank < 5) AS top5,
    COUNTIF(status = 'failed') AS errors
  FROM `assay.prediction_outcomes`
  GROUP BY 1, 2, 3
) AS a
