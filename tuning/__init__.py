"""The search: Optuna chooses each model's hyperparameters (`python -m tuning CONFIG`)."""
