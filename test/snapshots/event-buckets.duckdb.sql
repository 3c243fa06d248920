SELECT epoch_ms(hour) AS hour, COUNT(*) AS events, CAST(BIT_XOR(digest) AS STRING) AS checksum
FROM (
  SELECT date_trunc('hour', recorded_at) AS hour, CAST('0x' || substr(md5(CONCAT(stream, '|', CAST(revision AS STRING), '|', event_id, '|', type, '|', CAST(schema_version AS STRING), '|', CAST(epoch_ms(occurred_at) AS STRING), '|', CAST(epoch_ms(recorded_at) AS STRING), '|', COALESCE(predictor, ''), '|', COALESCE(causation_id, ''), '|', COALESCE(traceparent, ''), '|', CAST(CAST('0x' || substr(md5(payload), 1, 13) AS BIGINT) AS STRING))), 1, 13) AS BIGINT) AS digest
  FROM events
) AS e
GROUP BY 1
ORDER BY 1
