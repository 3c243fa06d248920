CREATE TABLE IF NOT EXISTS `assay.schema_migrations` (
  name STRING NOT NULL,
  applied_at TIMESTAMP NOT NULL
)
