DROP TABLE IF EXISTS `assay.deployments_sealed_2`
