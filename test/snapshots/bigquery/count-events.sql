SELECT COUNT(*) AS events, MAX(recorded_at) AS recordedAt
FROM (
    SELECT * FROM `assay.events`
    WHERE recorded_at >= TIMESTAMP '1970-01-01T00:00:00.000Z' AND position <= @position
    QUALIFY ROW_NUMBER() OVER (PARTITION BY stream, revision ORDER BY position) = 1
  ) AS once
