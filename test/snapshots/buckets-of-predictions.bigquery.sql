SELECT DISTINCT 300000 * DIV(UNIX_MILLIS(p.predicted_at), 300000) AS bucket
FROM `assay.predictions` AS p
WHERE p.predictor = @predictor AND p.prediction_id IN (
  SELECT line FROM UNNEST(SPLIT(@ids, '\n')) AS line)
