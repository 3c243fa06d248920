DROP TABLE IF EXISTS `assay.predictions_sealed_2`
