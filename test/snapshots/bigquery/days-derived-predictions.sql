SELECT FORMAT_TIMESTAMP('%F', predicted_at) AS day, COUNT(*) AS n, CAST(BIT_XOR(FARM_FINGERPRINT(TO_JSON_STRING(t))) AS STRING) AS checksum
FROM `assay.predictions_sealed_2` AS t
WHERE position <= 2000
GROUP BY 1
ORDER BY 1
