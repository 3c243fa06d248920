CREATE TABLE IF NOT EXISTS `assay.assay_projection` (
  ordinal INT64 NOT NULL,
  incarnation STRING NOT NULL,
  checkpoint STRING,
  position INT64 NOT NULL,
  events INT64 NOT NULL,
  recorded_at TIMESTAMP,
  generation INT64 NOT NULL,
  sealed_to INT64 NOT NULL,
  sealed_at TIMESTAMP NOT NULL,
  tail_from TIMESTAMP NOT NULL,
  sealing_to INT64,
  sealing_from TIMESTAMP
)
