"""Log the runs of a study as MLflow shows them: study > model > trial > fold, and each model's `final`.

Parents are given by tag and never by the thread's active run, so worker processes and threads may log into one tree.
Every level repeats the tags, because the UI cannot filter children by what their parents know; a tag that has no
meaning on a level reads `all`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from boneage.config import Config, config_sha256, to_mapping
from boneage.groups import ModelKey
from boneage.learn.crossval import CVResult, FoldResult
from boneage.plots import learning_curves
from boneage.tracking.environment import environment, run_tags
from boneage.tracking.runlog import RunLog
from boneage.tracking.store import ensure_experiment
from boneage.tracking.values import (
    ALL,
    dataset_input,
    every_page,
    flat_params,
    flatten,
    inputs_of,
    key_tags,
    now_ms,
    rename_metrics,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run

_PARENT = "mlflow.parentRunId"


class StudyTracker(RunLog):
    """Logs one study into one experiment: that of `study.experiment`, or one of the study's name.

    Args:
        client: an open MLflow client (`store.open_store`).
        config: the study's configuration; its name, hash and settings are logged.
        split_sha256: the hash of the saved splits, a tag on every run.
        study_run_id: the study's run, when another process has already opened it (workers).
        stopped: exceptions that end a run early on purpose (a pruned trial): the run is KILLED and not FAILED.
        model_run_ids: the models' runs, when another process has already made them (workers).
    """

    def __init__(
        self,
        client: MlflowClient,
        config: Config,
        split_sha256: str,
        *,
        study_run_id: str | None = None,
        stopped: tuple[type[BaseException], ...] = (),
        model_run_ids: Mapping[ModelKey, str] | None = None,
    ) -> None:
        super().__init__(client)
        self.config = config
        self.split_sha256 = split_sha256
        self.study_run_id = study_run_id
        self.experiment_id = ensure_experiment(client, config.study.experiment or config.study.name)
        self._stopped: tuple[type[BaseException], ...] = (KeyboardInterrupt, *stopped)
        self._models: dict[ModelKey, str] = dict(model_run_ids or {})
        self._trials: dict[str, tuple[str, dict[str, Any]]] = {}
        self._sets: list[DatasetInput] | None = None
        self._common = {
            "study": config.study.name,
            "split_sha256": split_sha256,
            "config_sha256": config_sha256(config),
            "seed": str(config.study.seed),
            **dict.fromkeys(("task", "sex", "age_group", "trial", "fold"), ALL),
        }

    @contextmanager
    def study_run(self) -> Iterator[str]:
        """Open the study's run; one that was interrupted, with the same settings and splits, goes on."""
        tags = {"level": "study"}
        run_id = self._find_open(tags) or self._create("study", tags, parent=None)
        self.study_run_id = run_id
        with self._ended(run_id, timed=True):
            self._log_study(run_id)
            try:
                yield run_id
            finally:
                self._end_models()

    @contextmanager
    def model_run(self, key: ModelKey) -> Iterator[str]:
        """Open one model's run under the study; an interrupted one goes on."""
        with self._ended(self.model_run_id(key), timed=True):
            yield self._models[key]

    def model_run_id(self, key: ModelKey) -> str:
        """Return the id of a model's run, making it where it is missing (workers share it; it stays open)."""
        if key not in self._models:
            parent, tags = self._study(), {"level": "model", **key_tags(key)}
            self._models[key] = self._find_open(tags, parent) or self._create(key.name, tags, parent)
        return self._models[key]

    @contextmanager
    def trial_run(self, key: ModelKey, number: int, params: Mapping[str, Any] | Any) -> Iterator[str]:
        """Open `trial-007` under its model; `params` are hyperparameters, a mapping or one of the config's classes."""
        name = f"trial-{number:03d}"
        tags = {"level": "trial", **key_tags(key), "trial": f"{number:03d}"}
        run_id = self._create(name, tags, self.model_run_id(key))
        self._trials[run_id] = tags["trial"], flat_params(params)
        with self._ended(run_id, timed=True):
            self._log(run_id, params=flat_params(params))
            yield run_id

    @contextmanager
    def final_run(self, key: ModelKey, params: Mapping[str, Any] | Any = ()) -> Iterator[str]:
        """Open the `final` training's run, beside the trials of its model.

        Where an interrupted study goes on, a model is trained anew: an earlier `final` of it is KILLED, for one counts.
        """
        tags, parent = {"level": "final", **key_tags(key), "trial": "final"}, self.model_run_id(key)
        for earlier in self.runs(tags, parent):
            self.end(earlier.info.run_id, "KILLED")
        run_id = self._create("final", tags, parent)
        with self._ended(run_id):
            self._log(run_id, params=flat_params(params))
            yield run_id

    def log_fold(self, trial_run_id: str, key: ModelKey, fold_index: int, result: FoldResult) -> str:
        """Log one fold as a finished child run: its trial's parameters, its curves and its figures; return its id.

        `loss`, `val_loss` and `learning_rate` are curves; `val_mae_months` and the other figures are those of the best
        epoch, whose weights were kept (their curves are named `epoch_val_mae_months` and so on).
        """
        trial, params = self._trial_of(trial_run_id)
        tags = {"level": "fold", **key_tags(key), "trial": trial, "fold": str(fold_index)}
        # The run is made when its fit is done: it began that much earlier.
        run_id = self._create(
            f"fold-{fold_index}", tags, trial_run_id, started=now_ms() - int(1000 * result.fit.seconds)
        )
        with self._ended(run_id):
            figures = rename_metrics("val_{}", result.metrics)
            best_loss = {"best_val_loss": figures.pop("val_loss")} if "val_loss" in figures else {}
            self.log_fit(run_id, result.fit, {**figures, **best_loss}, params)
        return run_id

    def log_cv(self, trial_run_id: str, result: CVResult) -> None:
        """Log a trial's means and deviations over the folds (`cv_val_mae_months_mean`), best fold and curves."""
        means = rename_metrics("cv_val_{}_mean", result.mean)
        self._log(
            trial_run_id, metrics={**means, **rename_metrics("cv_val_{}_std", result.std), "best_fold": result.best}
        )
        histories = [fold.fit.history for fold in result.folds]
        self.log_figure(trial_run_id, learning_curves(histories, "five folds"), "learning-curves.png")

    def log_cascade(self, set_name: str, metrics: Mapping[str, float]) -> None:
        """Log a whole cascade's figures on the study's run: `cascade_validation_mae_months` and the rest."""
        self._log(self._study(), metrics=rename_metrics(f"cascade_{set_name}_{{}}", metrics))

    def log_dataset(self, run_id: str, name: str, sha256: str, context: str, counts: Mapping[str, Any]) -> None:
        """Log a set of images as a dataset input of a run; the study's are inputs of every run below it, too.

        Args:
            run_id: the run.
            name: the set's name, for example `train`.
            sha256: the hash of its contents.
            context: what it was used for: `training`, `validation` or `test`.
            counts: what the UI shows as the set's profile, for example `{"images": 1078}`.
        """
        source = {"study": self.config.study.name, "set": name, "split_sha256": self.split_sha256}
        self.client.log_inputs(run_id, [dataset_input(name, sha256, context, counts, source)])

    def runs(self, tags: Mapping[str, str], parent: str | None = None) -> Iterable[Run]:
        """Find the runs with these tags (below a run, where one is given) and with this study's settings and splits."""
        wanted = {**tags, **({_PARENT: parent} if parent else {})}
        return self._search(
            self._common_filter() + "".join(f" and tags.`{name}` = '{value}'" for name, value in wanted.items())
        )

    def end_stale(self) -> int:
        """Close trials and folds that a killed process left RUNNING; return how many.

        Call it before workers start: it cannot tell a worker that is alive from one that is not.
        """
        running = self._search(self._common_filter() + " and attributes.status = 'RUNNING'")
        stale = [run for run in running if run.data.tags.get("level") in {"trial", "fold", "final"}]
        for run in stale:
            self.end(run.info.run_id, "KILLED")
        return len(stale)

    def _end_models(self) -> None:
        """End the models' runs that are open when the study's ends: no worker came to them, or theirs was killed."""
        for run_id in self._models.values():
            if self.client.get_run(run_id).info.status == "RUNNING":
                self.end(run_id, "KILLED")

    def _study(self) -> str:
        if self.study_run_id is None:
            raise RuntimeError("no study run is open: use `with tracker.study_run():`, or pass study_run_id=")
        return self.study_run_id

    def _trial_of(self, run_id: str) -> tuple[str, dict[str, Any]]:
        """Return a trial's number and parameters, asked of the store where another process opened it."""
        if run_id not in self._trials:
            data = self.client.get_run(run_id).data
            self._trials[run_id] = data.tags.get("trial", ALL), dict(data.params)
        return self._trials[run_id]

    def _log_study(self, run_id: str) -> None:
        """Log the settings, seed, code, machine and packages once; a study that goes on has them already."""
        if "study.name" in self.client.get_run(run_id).data.params:
            return
        self._log(run_id, params=flatten(to_mapping(self.config)))
        self.client.log_dict(run_id, to_mapping(self.config), "config.json")
        self.client.log_dict(run_id, environment(), "environment.json")
        if self.config.study.note:
            self.client.set_tag(run_id, "mlflow.note.content", self.config.study.note)

    def _create(self, name: str, tags: Mapping[str, str], parent: str | None, *, started: int | None = None) -> str:
        every = {**self._common, **tags, **run_tags(), **({_PARENT: parent} if parent else {})}
        run_id = str(self.client.create_run(self.experiment_id, started, every, name).info.run_id)
        if parent:
            self._give_sets(run_id)
        return run_id

    def _give_sets(self, run_id: str) -> None:
        """Give a run below the study the study's sets as inputs; the test-only sources are no business of theirs."""
        if self._sets is None:
            self._sets = inputs_of(self.client.get_run(self._study()), ("training", "validation"))
        if self._sets:
            self.client.log_inputs(run_id, self._sets)

    def _find_open(self, tags: Mapping[str, str], parent: str | None = None) -> str | None:
        """Find a run with these tags that did not finish well, and set it running again."""
        unfinished = [run for run in self.runs(tags, parent) if run.info.status != "FINISHED" or parent]
        if not unfinished:
            return None
        run_id = str(unfinished[0].info.run_id)
        self.client.update_run(run_id, status="RUNNING")
        return run_id

    def _common_filter(self) -> str:
        return " and ".join(f"tags.`{name}` = '{self._common[name]}'" for name in ("config_sha256", "split_sha256"))

    def _search(self, query: str) -> Iterable[Run]:
        return every_page(lambda token: self.client.search_runs([self.experiment_id], query, page_token=token))

    @contextmanager
    def _ended(self, run_id: str, *, timed: bool = False) -> Iterator[None]:
        """Close a run whatever happens: FINISHED, KILLED when stopped on purpose, FAILED on any other error.

        A timed run gets the metric `seconds`: how long it was worked on, the time before an interruption included.
        """
        status, begun = "FAILED", time.monotonic()
        try:
            yield
            status = "FINISHED"
        except self._stopped:
            status = "KILLED"
            raise
        finally:
            if timed:
                earlier = self.client.get_run(run_id).data.metrics.get("seconds", 0.0)
                self._log(run_id, metrics={"seconds": earlier + time.monotonic() - begun})
            self.client.set_terminated(run_id, status)
