SELECT stream, revision FROM `assay.events`
WHERE recorded_at >= TIMESTAMP_MILLIS(@from) AND recorded_at <= TIMESTAMP_MILLIS(@to)
  AND position <= @position
GROUP BY stream, revision
