"""Search each model's hyperparameters with Optuna (`python -m tuning CONFIG`)."""
