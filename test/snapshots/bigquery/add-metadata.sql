ALTER TABLE `assay.predictions_sealed_1` ADD COLUMN IF NOT EXISTS metadata JSON
