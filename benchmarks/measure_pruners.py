"""What pruning between folds saves and what it loses, on the features of a real study.

    python benchmarks/measure_pruners.py configs/rsna.toml --set data.root=PATH --models regressor-male-2 ...

For each model the starting points and random draws from the search space are cross-validated to the end once, each with
its final training; what every pruner would have done is then replayed on these figures, with Optuna's own pruners, over
many orders of the draws. Draws do not depend on one another, so the orders are equally likely and a pruner's saving and
loss are averages over them. (TPE also learns from trials that were pruned; that is not in these figures.)

Finished trials are kept in `workspace/studies/NAME/pruners.json`; the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import optuna
import pandas as pd

from boneage.config import Config, load_config
from boneage.groups import ModelKey, Task
from boneage.learn.crossval import cross_validate, evaluate_head, train_final
from boneage.learn.heads import predict_head
from boneage.paths import study_folder
from boneage.study.materials import gather
from boneage.study.models import ModelTask, base_parameters, model_task
from boneage.tables import text_table
from tuning.spaces import starting_points, suggest

MODELS = ("regressor-female-1", "regressor-female-4", "regressor-male-2", "regressor-male-4")
FOLDS = 5


@dataclass(frozen=True)
class Policy:
    """A pruner, and whether it is told the running mean over the folds instead of each fold's own figure."""

    pruner: Any
    running_mean: bool = False


POLICIES = {
    "none": Policy(optuna.pruners.NopPruner()),
    "median of folds": Policy(optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1)),
    "median of running means": Policy(optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1), True),
    "wilcoxon, p = 0.1": Policy(optuna.pruners.WilcoxonPruner(p_threshold=0.1)),
    "wilcoxon, p = 0.13": Policy(optuna.pruners.WilcoxonPruner(p_threshold=0.13)),
    "wilcoxon, p = 0.26": Policy(optuna.pruners.WilcoxonPruner(p_threshold=0.26)),
}


def main() -> int:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("config")
    parse.add_argument("--set", action="append", default=[])
    parse.add_argument("--models", nargs="+", default=list(MODELS))
    parse.add_argument("--trials", type=int, default=20)
    parse.add_argument("--orders", type=int, default=40)
    options = parse.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    config = load_config(options.config, options.set)
    file = study_folder(config.study.name) / "pruners.json"
    keys = [ModelKey.parse(name) for name in options.models]
    trials = measure(lambda: gather(config), keys, options.trials, file)
    tables = [replay(key, trials[key.name][: options.trials], options.orders) for key in keys]
    everything = pd.concat(tables)
    print(text_table(everything))
    print("\nmean over the models")
    print(text_table(everything.groupby("pruner", sort=False).mean(numeric_only=True).reset_index()))
    return 0


def measure(materials: Any, keys: list[ModelKey], count: int, file: Path) -> dict[str, list[dict[str, Any]]]:
    """Cross-validate `count` trials of every model to the end; those in the file are not run again."""
    known = json.loads(file.read_text()) if file.is_file() else {}
    if all(len(known.get(key.name, [])) >= count for key in keys):
        return known
    gathered = materials()
    for key in keys:
        task = model_task(gathered, key)
        for number in range(len(known.setdefault(key.name, [])), count):
            known[key.name].append(one_trial(task, number))
            file.write_text(json.dumps(known))
            print(f"{key}: trial {number + 1} of {count}", file=sys.stderr)
    return known


def one_trial(task: ModelTask, number: int) -> dict[str, Any]:
    """Fit five folds and the final head; return the folds' figures and seconds and the validation figure."""
    params = parameters(task, number)
    metric = "accuracy" if task.key.task is Task.CLASSIFIER else "mae_months"
    config = task.config
    cv = cross_validate(task.key, task.train, task.fold, params, config.training, seed=config.study.seed)
    began = time.perf_counter()
    final = train_final(task.key, task.train, cv, params, config.training, None, config.study.seed)
    predictions = predict_head(task.key, final.weights, params, task.validation.features)
    return {
        "folds": [fold.metrics[metric] for fold in cv.folds],
        "seconds": [fold.fit.seconds for fold in cv.folds],
        "final_seconds": time.perf_counter() - began,
        "validation": evaluate_head(task.key, task.validation, predictions)[metric],
    }


def parameters(task: ModelTask, number: int) -> Any:
    """Return trial `number`'s hyperparameters: a starting point, then a draw that depends on the number alone."""
    base = base_parameters(task.config, task.key)
    points = starting_points(task.key.task, base)
    if number < len(points):
        return suggest(optuna.trial.FixedTrial(points[number]), task.key.task, base)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1000 + number))
    return suggest(study.ask(), task.key.task, base)


def replay(key: ModelKey, trials: list[dict[str, Any]], orders: int) -> pd.DataFrame:
    """Average over orders of the trials what each pruner saves and loses; the starting points always come first."""
    rows, rng = [], np.random.default_rng(0)
    first = len(starting_points(key.task, base_parameters(Config(), key)))
    sequences = [[*range(first), *(first + rng.permutation(len(trials) - first))] for _ in range(orders)]
    for name, policy in POLICIES.items():
        outcomes = [once(key, [trials[number] for number in order], policy) for order in sequences]
        rows.append({"model": key.name, "pruner": name, **pd.DataFrame(outcomes).mean().to_dict()})
    return pd.DataFrame(rows)


def once(key: ModelKey, trials: list[dict[str, Any]], policy: Policy) -> dict[str, float]:
    """Replay one order; losses are positive where the pruned search ends with something worse."""
    sign = -1.0 if key.task is Task.CLASSIFIER else 1.0
    study = optuna.create_study(pruner=policy.pruner, direction="maximize" if sign < 0 else "minimize")
    fits, seconds, finished = 0, 0.0, []
    for each in trials:
        trial, pruned = study.ask(), False
        for number, value in enumerate(each["folds"]):
            fits, seconds = fits + 1, seconds + each["seconds"][number]
            trial.report(float(np.mean(each["folds"][: number + 1])) if policy.running_mean else value, number)
            pruned = number + 1 < FOLDS and trial.should_prune()
            if pruned:
                break
        mean = float(np.mean(each["folds"]))
        study.tell(trial, *((None, optuna.trial.TrialState.PRUNED) if pruned else (mean,)))
        if not pruned:
            finished.append((sign * mean, sign * each["validation"]))
    best = min((sign * float(np.mean(each["folds"])), sign * each["validation"]) for each in trials)
    return {
        "fits_saved": 1.0 - fits / (FOLDS * len(trials)),
        "time_saved": 1.0 - seconds / sum(sum(each["seconds"]) for each in trials),
        "best_lost": float(min(finished)[0] > best[0]),
        "cv_lost": min(finished)[0] - best[0],
        "validation_lost": min(finished)[1] - best[1],
    }


if __name__ == "__main__":
    sys.exit(main())
