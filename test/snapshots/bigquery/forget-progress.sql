DELETE FROM `assay.assay_projection` WHERE ordinal < @ordinal
