"""A tiny study that several workers share: its configuration, its homes, and what must be true when it has ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import optuna

from boneage.groups import ModelKey

ROOT = Path(__file__).parents[2]
MODELS = ("regressor-male-2", "regressor-female-3")
TRIALS = 5
FOLDS = 3
CONFIG = f"""
[study]
name = "shared"
prefix = "shared"
[[data.sources]]
name = "phantoms"
layout = "phantom"
path = "phantoms"
count = 64
seed = 3
[data]
folds = {FOLDS}
[preprocess]
background = "none"
size = 160
[regressor]
standardize = true
[training]
epochs = 150
patience = 150
[tuning]
trials = {TRIALS}
pruner = "none"
heartbeat_seconds = 2
"""


def make_home(folder: Path) -> Path:
    """Make a project's home with the study's configuration."""
    folder.mkdir(parents=True)
    (folder / "shared.toml").write_text(CONFIG)
    return folder


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Return this process's environment for a project's home, without stores of another test."""
    kept = {name: value for name, value in os.environ.items() if name not in ("MLFLOW_TRACKING_URI", "OPTUNA_STORAGE")}
    return {**kept, "BONEAGE_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3", **variables}


def command(home: Path, *more: str) -> list[str]:
    """Return the command that runs the study in a home."""
    return [sys.executable, "-m", "tuning", str(home / "shared.toml"), "--models", *MODELS, *more]


def start(home: Path, log: Path, env: dict[str, str], *more: str) -> subprocess.Popen:
    """Start the study; what it prints goes to a file."""
    with log.open("ab") as stream:
        return subprocess.Popen(command(home, *more), cwd=ROOT, env=env, stdout=stream, stderr=stream)


def wait_for(true, process: subprocess.Popen, log: Path, seconds: float = 400) -> None:
    """Wait until something is true while a process runs."""
    end = time.monotonic() + seconds
    while not true():
        if process.poll() is not None or time.monotonic() > end:
            raise AssertionError(f"it did not come to that (status {process.poll()}): {log.read_text()[-3000:]}")
        time.sleep(0.1)


def studies(storage) -> list[optuna.Study]:
    """Return the study of each model."""
    return [optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)]


def running(storage) -> int:
    """Count the trials that are under way."""
    states = (optuna.trial.TrialState.RUNNING,)
    return sum(len(study.get_trials(deepcopy=False, states=states)) for study in studies(storage))


def check_nothing_lost_or_doubled(storage, client) -> list[optuna.Study]:
    """Check both stores after the end: every trial of the budget once, with its folds, and nothing left open."""
    found = studies(storage)
    assert sorted(study.study_name.split("/")[1] for study in found) == sorted(MODELS)
    experiment = client.get_experiment_by_name("shared").experiment_id
    runs = list(client.search_runs([experiment], max_results=1000))
    assert Counter(run.info.status for run in runs)["RUNNING"] == 0
    for study in found:
        states = Counter(trial.state for trial in study.trials)
        assert states[optuna.trial.TrialState.COMPLETE] == TRIALS, states
        assert not states[optuna.trial.TrialState.RUNNING]
        _check_runs(study, runs)
    return found


def _check_runs(study: optuna.Study, runs: list) -> None:
    """Check that every completed trial has one finished run of its number with its folds, and a failed one has none."""
    key = ModelKey.parse(study.study_name.split("/")[1])
    mine = [run for run in runs if (run.data.tags["sex"], run.data.tags["age_group"]) == (key.sex, str(key.group))]
    finished = [run for run in mine if run.info.status == "FINISHED"]
    trials = {run.data.tags["trial"]: run for run in finished if run.data.tags["level"] == "trial"}
    assert len(trials) == sum(run.data.tags["level"] == "trial" for run in finished), "a trial was logged twice"
    complete = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert set(trials) == {f"{trial.number:03d}" for trial in complete}
    for trial in complete:
        run = trials[f"{trial.number:03d}"]
        assert abs(run.data.metrics["cv_val_mae_months_mean"] - trial.value) < 1e-6
        folds = [each for each in finished if each.data.tags.get("mlflow.parentRunId") == run.info.run_id]
        assert sorted(each.data.tags["fold"] for each in folds) == [str(number) for number in range(FOLDS)]
    assert sum(run.data.tags["level"] == "final" for run in finished) == 1
