DROP TABLE IF EXISTS `assay.corrections_sealed_2`
