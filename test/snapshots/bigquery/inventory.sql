SELECT UNIX_MILLIS(hour) AS hour, COUNT(*) AS events, CAST(BIT_XOR(digest) AS STRING) AS checksum
FROM (
  SELECT TIMESTAMP_TRUNC(recorded_at, HOUR) AS hour, CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(CONCAT(stream, '|', CAST(revision AS STRING), '|', event_id, '|', type, '|', CAST(schema_version AS STRING), '|', CAST(UNIX_MILLIS(occurred_at) AS STRING), '|', CAST(UNIX_MILLIS(recorded_at) AS STRING), '|', COALESCE(predictor, ''), '|', COALESCE(causation_id, ''), '|', COALESCE(traceparent, ''), '|', CAST(payload_digest AS STRING)))), 1, 13)) AS INT64) AS digest
  FROM (
    SELECT * FROM `assay.events`
    WHERE recorded_at >= TIMESTAMP '1970-01-01T00:00:00.000Z' AND position <= @position
    QUALIFY ROW_NUMBER() OVER (PARTITION BY stream, revision ORDER BY position) = 1
  ) AS once
) AS e
GROUP BY 1
ORDER BY 1
