"""Look up registered cascades for the page: which can answer, in which version, with which figures."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from boneage import __version__
from boneage.explain.reasons import all_ages_share
from boneage.groups import AGE_GROUPS, ModelKey, Sex, Task
from boneage.tracking.reader import store_errors
from boneage.ui.service import FIGURES, Answer, Listed

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from boneage.cascade.cascade import Cascade, Estimate
    from boneage.registry.champions import Tenure

_CASCADES = "%-cascade"
_SUFFIX = "-cascade"
# A study logs its cascade's figures on its own run; an imported version has a run of its own.
_FIGURE_NAMES = ("cascade_validation_{}", "validation_{}")


@dataclass(frozen=True)
class _Run:
    """What the page shows of a run: its place in the MLflow UI, and the figures of `FIGURES` that it holds."""

    page: str = ""
    figures: Mapping[str, float] | None = None


class RegistryCatalogue:
    """Cascades of the MLflow registry, or one bundle's folder; MLflow is imported at the first question."""

    def __init__(self, client: MlflowClient | None = None) -> None:
        """Keep a client; without one the project's store is opened at the first question that needs it."""
        self._client = client
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}

    def version(self, uri: str) -> str:
        """Return the version a URI means now; for a folder, the time of its last change.

        Raises:
            BoneageError: when nothing answers to the URI; the message says what to run.
        """
        from boneage.registry.opening import SHIPPED
        from boneage.registry.versions import parse_uri, show

        folder = Path(uri)
        if uri == SHIPPED:
            return __version__
        if not uri.startswith("models:") and folder.is_dir():
            return str(folder.stat().st_mtime_ns)
        name, version = parse_uri(uri)
        return version if version.isdigit() else str(show(self._open(), name, version).version)

    def load(self, uri: str) -> Cascade:
        """Load the cascade of a URI.

        Raises:
            BoneageError: when it cannot be loaded; the message says what to do.
        """
        from boneage.registry.opening import load_cascade, open_cascade

        return load_cascade(uri, self._open()) if uri.startswith("models:") else open_cascade(uri)

    def table(self) -> list[Listed]:
        """List every version of every registered cascade, the newest first within each.

        Raises:
            BoneageError: when there is no store; the message says what to run.
        """
        from boneage.registry.versions import list_versions

        client = self._open()
        names = sorted(model.name for model in client.search_registered_models(f"name LIKE '{_CASCADES}'"))
        versions = [one for name in names for one in list_versions(client, name)]
        return [
            Listed(
                model=one.name,
                version=str(one.version),
                aliases=one.aliases,
                status=one.status,
                mae_months=one.mae_months,
                created=one.created,
                run_id=one.run_id,
                card=one.card,
                page=self._run(one.run_id).page,
                figures=(self._run(one.run_id).figures or {}) if one.aliases else {},
            )
            for one in versions
        ]

    def history(self, model: str) -> list[Tenure]:
        """List a model's champions, the first one first.

        Raises:
            BoneageError: when there is no store; the message says what to run.
        """
        from boneage.registry.champions import tenures

        return tenures(self._open(), model)

    def answered(self, cascade: Cascade, estimate: Estimate) -> tuple[Answer, ...]:
        """Name the models that gave an estimate; a cascade that was opened from a folder names only itself."""
        from boneage.registry.versions import RegistryError, show

        if not (cascade.model and str(cascade.version).isdigit()):
            return (Answer("cascade", cascade.model, str(cascade.version)),)
        info = show(self._open(), cascade.model, cascade.version)
        answers = [Answer("cascade", info.name, str(info.version), info.aliases, self._run(info.run_id).page)]
        if all_ages_share(cascade, estimate) > 0:
            answers.append(replace(answers[0], role="all_ages"))
        for key in asked_heads(cascade, estimate):
            if key.name not in info.heads:
                continue
            name, version = f"{info.name.removesuffix(_SUFFIX)}-{key.name}", info.heads[key.name]
            # A head that was taken from the registry still answers: its cascade's bundle holds it.
            with suppress(RegistryError):
                head = show(self._open(), name, version)
                answers.append(Answer(str(key.task), name, str(version), head.aliases, self._run(head.run_id).page))
        return tuple(answers)

    def _run(self, run_id: str) -> _Run:
        """Look a run up; what is known of an ended one is kept."""
        if not run_id:
            return _Run()
        if run_id not in self._runs:
            try:
                run = self._open().get_run(run_id)
            except store_errors():
                return _Run()
            found = _Run(f"#/experiments/{run.info.experiment_id}/runs/{run_id}", _figures(run.data.metrics))
            if run.info.end_time is None:
                return found
            self._runs[run_id] = found
        return self._runs[run_id]

    def _open(self) -> MlflowClient:
        from boneage.tracking.reader import open_reader

        with self._lock:
            if self._client is None:
                self._client = open_reader()
            return self._client


def asked_heads(cascade: Cascade, estimate: Estimate) -> list[ModelKey]:
    """List the heads that an estimate came from.

    A given range skips the classifier, soft routing asks every expert, and none had a part where the head for all ages
    gave the number alone; the classifier still gave the age group then.
    """
    sex, given = Sex(estimate.sex), estimate.routing == "given"
    soft = not given and cascade.config.cascade.routing == "soft"
    groups = [group.number for group in AGE_GROUPS] if soft else [estimate.group]
    groups = [] if all_ages_share(cascade, estimate) >= 1 else groups
    classifier = [] if given else [ModelKey(Task.CLASSIFIER, sex)]
    return [*classifier, *(ModelKey(Task.REGRESSOR, sex, group) for group in groups)]


def _figures(metrics: Mapping[str, float]) -> dict[str, float]:
    found = {}
    for figure in FIGURES:
        names = [pattern.format(figure) for pattern in _FIGURE_NAMES]
        value = next((metrics[name] for name in names if name in metrics), None)
        if value is not None:
            found[figure] = float(value)
    return found
