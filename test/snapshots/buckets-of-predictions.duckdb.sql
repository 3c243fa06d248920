SELECT DISTINCT 300000 * ((epoch_ms(p.predicted_at)) // (300000)) AS bucket
FROM predictions AS p
WHERE p.predictor = $predictor AND p.prediction_id IN (
  SELECT line FROM unnest(string_split($ids, chr(10))) AS lines(line))
