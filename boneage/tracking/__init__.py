"""Log a study to MLflow: the store, nested runs, metrics, parameters and the sets of images."""
