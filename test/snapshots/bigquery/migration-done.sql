INSERT INTO `assay.schema_migrations` (name, applied_at)
VALUES (@name, TIMESTAMP_MILLIS(@now))
