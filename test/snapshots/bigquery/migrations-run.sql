SELECT name FROM `assay.schema_migrations` ORDER BY name
