INSERT INTO `assay.assay_projection`
  (ordinal, incarnation, position, events, generation, sealed_to, sealed_at, tail_from)
SELECT 0, @incarnation, 0, 0, 1, 0, TIMESTAMP_MILLIS(@now), TIMESTAMP_MILLIS(0)
FROM (SELECT 1 AS one) AS o
WHERE NOT EXISTS (SELECT 1 FROM `assay.assay_projection` AS p)
