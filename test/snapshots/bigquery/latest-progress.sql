SELECT ordinal, incarnation, checkpoint, position, events, recorded_at, generation, sealed_to, sealed_at, tail_from, sealing_to, sealing_from FROM `assay.assay_projection`
ORDER BY ordinal DESC, position DESC, incarnation
LIMIT 1
