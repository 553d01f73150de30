"""Register, compare, promote, archive and serve versions of a cascade in the MLflow model registry."""
