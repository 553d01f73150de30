"""Open or resume one Optuna study per model, with its goal, budget, sampler and pruner; export the best parameters."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import tomli_w
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from boneage.config import Config, HeadParameters, TuningConfig, config_sha256, to_mapping
from boneage.databases import DatabaseError, database_lock, first_line, has_password, masked, sqlite_fault, sqlite_file
from boneage.files import write_whole
from boneage.groups import ModelKey, Task
from boneage.learn.backbones import weights_identity
from boneage.learn.engine import ENGINE_VERSION
from boneage.notices import coded, warning
from boneage.paths import project_root
from boneage.preprocess.preparer import Preparer
from boneage.study.models import base_parameters
from tuning.journal import WholeLines
from tuning.spaces import space_of, starting_points

log = logging.getLogger(__name__)
UNLIMITED = 10**9
_IDENTITY = "identity"
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
STOPPED = (optuna.TrialPruned,)
WILCOXON_P = 0.26
"""The smallest p of a signed-rank test is 0.25 on two folds and 0.125 on three: this one can act after two.

Chosen by `benchmarks/measure_pruners.py` (docs/how-to/tuning.md): it saves most and hardly ever loses the best trial.
"""


@dataclass(frozen=True)
class Goal:
    """Metric that a search optimises, and its direction.

    Attributes:
        metric: its name in a fold's metrics: `accuracy`, `log_loss`, `quadratic_kappa` or `mae_months`.
        higher: whether more is better.
    """

    metric: str
    higher: bool

    @property
    def direction(self) -> str:
        """Return Optuna's name of the direction."""
        return "maximize" if self.higher else "minimize"

    def better(self, figures: Mapping[str, float], than: Mapping[str, float]) -> bool:
        """Tell whether one set of figures is better than another."""
        sign = 1.0 if self.higher else -1.0
        return sign * figures[self.metric] > sign * than[self.metric]


def goal_of(config: Config, key: ModelKey) -> Goal:
    """Return the goal of a model's kind."""
    if key.task is Task.REGRESSOR:
        return Goal(config.tuning.regressor_objective, higher=False)
    return Goal(config.tuning.classifier_objective, higher=config.tuning.classifier_objective != "log_loss")


def trials_left(study: Any, tuning: TuningConfig) -> int:
    """Return how many trials are left of a budget; failed ones do not count.

    A limit in time never ends a search before its first result, and never a trial that has begun.
    """
    if tuning.seconds and spent_seconds(study) >= tuning.seconds and trials_in(study, TrialState.COMPLETE):
        return 0
    done = len(trials_in(study, *ENDED))
    return max(0, tuning.trials - done) if tuning.trials else UNLIMITED


def spent_seconds(study: Any) -> float:
    """Return how long a study's finished trials took, whoever ran them and when."""
    durations = [trial.duration for trial in trials_in(study, *ENDED)]
    # A clock that was set back makes a trial end before it began.
    return sum(max(0.0, duration.total_seconds()) for duration in durations if duration is not None)


def trials_in(study: Any, *states: Any) -> list[Any]:
    """Return a study's trials in some states."""
    return list(study.get_trials(deepcopy=False, states=states))


def storage_url(config: Config) -> str:
    """Return the address of the database that keeps the trials: `OPTUNA_STORAGE`, or `[tuning] storage`; "" for none.

    Raises:
        DatabaseError: when the configuration, which is logged and shared, holds a password.
    """
    if has_password(config.tuning.storage):
        raise DatabaseError.of("search.password", place=masked(config.tuning.storage))
    return os.environ.get("OPTUNA_STORAGE") or config.tuning.storage


def storage_for(config: Config) -> Any:
    """Open the storage: a database where an address is given, else the journal beside the MLflow store.

    Raises:
        DatabaseError: when the database cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = storage_url(config)
    if url:
        return _database(url, config.tuning.heartbeat_seconds)
    return optuna.storages.JournalStorage(WholeLines(journal_file()))


def journal_file() -> Path:
    """Return the journal that keeps the trials where no database does."""
    return project_root() / "mlruns" / "optuna.journal"


def _database(url: str, heartbeat_seconds: int) -> Any:
    """Open a database; a trial whose worker gave no sign of life for six heartbeats is failed and asked again."""
    import optuna

    try:
        # Several at once on a new database would each make its tables.
        with database_lock(url, "optuna tables"), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.storages.RDBStorage(
                url,
                heartbeat_interval=heartbeat_seconds,
                grace_period=6 * heartbeat_seconds,
                heartbeat_stale_trial_callback=ask_again,
            )
    except ImportError as error:
        raise DatabaseError.of("search.no_driver", place=masked(url)) from error
    except (SQLAlchemyError, ValueError, RuntimeError) as error:
        file = sqlite_file(url)
        if file is not None and "sqlite3." in str(error):
            raise DatabaseError(sqlite_fault(file, error)) from error
        raise DatabaseError.of("search.not_opened", place=masked(url), reason=first_line(error)) from error


def study_identity(config: Config, key: ModelKey, split_sha256: str) -> dict[str, str]:
    """Return what a model's trials depend on, by its name, each as the first digits of its sha256.

    That is the configuration as far as it changes figures, and the software as far as it does: the steps of preparation
    and their networks, the backbone's weights, the search space, and the engine that fits.
    """
    base = base_parameters(config, key)
    parts: dict[str, Any] = {
        "preparation of the films": [to_mapping(config.preprocess), Preparer(config.preprocess).sha256],
        "backbone": [to_mapping(config.backbone), weights_identity(config.backbone)],
        "training": to_mapping(config.training),
        "hyperparameters that are not searched": to_mapping(base),
        "goal": goal_of(config, key).metric,
        "search space": space_of(key.task, base),
        "engine that fits": [ENGINE_VERSION, os.environ.get("KERAS_BACKEND", "tensorflow")],
        "split into training, validation and folds": split_sha256,
        "seed": config.study.seed,
    }
    texts = {name: json.dumps(value, sort_keys=True) for name, value in parts.items()}
    return {name: hashlib.sha256(text.encode()).hexdigest()[:12] for name, text in texts.items()}


def study_name(config: Config, key: ModelKey, split_sha256: str) -> str:
    """Name a model's study by everything its trials depend on, so that trials of other settings never mix in."""
    text = json.dumps(study_identity(config, key, split_sha256), sort_keys=True)
    return f"{config.study.name}/{key}/{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _note_new(study: Any, storage: Any, key: ModelKey, identity: dict[str, str]) -> None:
    """Keep what a new study depends on, and say why the trials of an earlier one of that name are not taken."""
    study.set_user_attr(_IDENTITY, identity)
    begin = study.study_name.rpartition("/")[0] + "/"
    summaries = optuna.get_all_study_summaries(storage, include_best_trial=False)
    earlier = [one for one in summaries if one.study_name.startswith(begin) and one.study_name != study.study_name]
    if not earlier:
        return
    before = earlier[-1]
    kept = before.user_attrs.get(_IDENTITY)
    changed = "how it was made was not kept, as in releases before this one"
    if kept:
        names = [name for name, digest in identity.items() if kept.get(name) != digest]
        changed = f"changed: {', '.join(names)}"
    log.warning("%s", coded(warning("search.begins_anew", head=key, trials=before.n_trials, changed=changed)))


def open_study(config: Config, key: ModelKey, split_sha256: str, storage: Any = None) -> Any:
    """Open or resume a model's study; the paper's architecture is its first trial.

    A study that many workers share gets all starting points at once; a lone worker calls `queue_next` before a trial.
    A trial left RUNNING by a killed process is failed and asked again with the same parameters. In a journal only one
    process works on a model at a time, which the workers see to; in a database the heartbeats tell who is alive.
    """
    storage = storage or storage_for(config)
    study = optuna.create_study(
        study_name=study_name(config, key, split_sha256),
        storage=storage,
        sampler=sampler_for(config, 0),
        pruner=pruner_of(config.tuning.pruner),
        direction=goal_of(config, key).direction,
        load_if_exists=True,
    )
    if not storage_url(config):
        for trial in trials_in(study, TrialState.RUNNING):
            fail(study, trial)
    if _IDENTITY not in study.user_attrs:
        _note_new(study, storage, key, study_identity(config, key, split_sha256))
    if not study.trials:
        points = starting_points(key.task, base_parameters(config, key))
        for point in points if storage_url(config) else points[:1]:
            study.enqueue_trial(point)
    return study


def queue_next(study: Any, config: Config, key: ModelKey) -> None:
    """Queue a lone worker's next trial by the number of finished ones alone.

    So a search that was interrupted proposes what it would have proposed otherwise: the next starting point, or the
    sampler's choice from a seed of its own. A trial that waits to be asked again goes first.
    """
    done = len(trials_in(study, *ENDED))
    study.sampler = sampler_for(config, done)
    points = starting_points(key.task, base_parameters(config, key))
    if done < len(points) and not trials_in(study, TrialState.WAITING):
        study.enqueue_trial(points[done])


def sampler_for(config: Config, number: int) -> Any:
    """Return the sampler of one trial, seeded by the study's seed and the trial's number."""
    seed = int(np.random.SeedSequence((config.study.seed, number)).generate_state(1)[0] >> 1)
    return optuna.samplers.TPESampler(seed=seed if number else config.study.seed, n_startup_trials=5)


def fail(study: Any, trial: Any) -> None:
    """Fail a trial that a dead process left and ask it again."""
    study.tell(trial.number, state=TrialState.FAIL)
    ask_again(study, trial)


def ask_again(study: Any, trial: Any) -> None:
    """Ask a trial of a dead process again, with the same parameters."""
    study.enqueue_trial(trial.params or trial.system_attrs.get("fixed_params", {}))


def pruner_of(name: str) -> Any:
    """Return Optuna's pruner of a configured name; docs/how-to/tuning.md says what each saves and loses."""
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1)
    if name == "wilcoxon":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.pruners.WilcoxonPruner(p_threshold=WILCOXON_P)
    return optuna.pruners.NopPruner()


def export_best(path: Path, config: Config, best: Mapping[ModelKey, HeadParameters]) -> Path:
    """Write the best parameters as TOML, one table per model, atomically.

    Models that this run left out (`--models`) keep what an earlier run of the same settings found.
    """
    tree = {
        "study": {"name": config.study.name, "config_sha256": config_sha256(config)},
        "models": _kept(path, config) | {key.name: to_mapping(params) for key, params in best.items()},
    }
    return write_whole(path, tomli_w.dumps(tree))


def _kept(path: Path, config: Config) -> dict[str, Any]:
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError):
        return {}
    same = tree.get("study", {}).get("config_sha256") == config_sha256(config)
    return dict(tree.get("models", {})) if same else {}
