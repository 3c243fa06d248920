CREATE TABLE IF NOT EXISTS `assay.events` (
  position INT64 NOT NULL,
  stream STRING NOT NULL,
  revision INT64 NOT NULL,
  event_id STRING NOT NULL,
  type STRING NOT NULL,
  schema_version INT64 NOT NULL,
  occurred_at TIMESTAMP NOT NULL,
  recorded_at TIMESTAMP NOT NULL,
  predictor STRING,
  causation_id STRING,
  traceparent STRING,
  payload JSON,
  payload_digest INT64 NOT NULL
)
PARTITION BY TIMESTAMP_TRUNC(recorded_at, DAY)
CLUSTER BY type, position
OPTIONS (require_partition_filter = TRUE)
