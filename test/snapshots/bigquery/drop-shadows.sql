DROP TABLE IF EXISTS `assay.shadows_sealed_2`
