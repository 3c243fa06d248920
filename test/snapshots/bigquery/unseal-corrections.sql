DELETE FROM `assay.corrections_sealed_1` WHERE position > 1000
