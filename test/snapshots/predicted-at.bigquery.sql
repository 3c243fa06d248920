SELECT p.prediction_id AS id, UNIX_MILLIS(p.predicted_at) AS predicted
FROM `assay.predictions` AS p
WHERE p.predictor = @predictor AND p.prediction_id IN (
  SELECT line FROM UNNEST(SPLIT(@ids, '\n')) AS line)
