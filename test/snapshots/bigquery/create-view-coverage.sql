CREATE OR REPLACE VIEW `assay.coverage` AS
SELECT predictor, version, day, predictions, labelled, coverage FROM `assay.accuracy_daily` AS a
