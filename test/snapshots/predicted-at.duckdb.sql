SELECT p.prediction_id AS id, epoch_ms(p.predicted_at) AS predicted
FROM predictions AS p
WHERE p.predictor = $predictor AND p.prediction_id IN (
  SELECT line FROM unnest(string_split($ids, chr(10))) AS lines(line))
