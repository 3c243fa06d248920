SELECT predictor, version, day, predictions, labelled, coverage FROM accuracy_daily AS a
