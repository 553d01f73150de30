"""The MLflow side of a study: store, nested runs, plots, model card, registry and the served model."""
