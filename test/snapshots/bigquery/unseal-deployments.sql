DELETE FROM `assay.deployments_sealed_1` WHERE position > 1000
