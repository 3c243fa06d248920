DELETE FROM `assay.predictions_sealed_1` WHERE position > 1000
