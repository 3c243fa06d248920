DELETE FROM `assay.shadows_sealed_1` WHERE position > 1000
