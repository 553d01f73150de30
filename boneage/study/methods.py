"""Read the methods that a store's studies tried: every film's estimate, and what training and an estimate cost."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from boneage.groups import Sex
from boneage.learn.all_ages import LOSSES
from boneage.phantom.hand import draw
from boneage.registry.opening import load_cascade
from boneage.tracking.values import every_page

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from boneage.cascade.cascade import Cascade

PER_IMAGE = "validation/per-image.csv"
HARD = "hard routing"
_ROUNDS, _AGE_MONTHS = 5, 130.0


@dataclass(frozen=True)
class Method:
    """One method on the validation films of its study.

    Attributes:
        name: the study's, and how it was routed where that is not how it is served.
        films: `sex`, `true_months` and `months` (the estimate) by the films' ids.
        study: the study's name.
        uri: of the cascade that was registered from it; "" where there is none any more.
        facts: `train_films`, `train_minutes` (fitting, choosing and scoring the heads), `films_minutes` (preparing
            films and computing features, as far as they were not cached), `backbone`, and `estimate_ms` where measured.
    """

    name: str
    films: pd.DataFrame
    study: str
    uri: str
    facts: Mapping[str, object]


def read_methods(client: MlflowClient) -> tuple[list[Method], dict[str, str]]:
    """Return the methods of a store, the newest finished run of every study, with hard routing beside soft.

    Returns:
        The methods, and per study that is none why: it has no scored films.
    """
    methods, missing = list[Method](), dict[str, str]()
    for run in _newest(client):
        name = run.data.tags.get("study", run.info.run_id)
        frame = _per_image(run)
        if frame is None:
            missing[name] = f"its run has no {PER_IMAGE}"
            continue
        served = Method(name, _films(frame, "estimated_months"), name, _uri(client, run), _facts(run))
        methods.append(served)
        whole = run.data.params.get("classifier.loss") in LOSSES  # one head for all ages has no routing
        if not whole and "hard_months" in frame and not np.allclose(frame["hard_months"], frame["estimated_months"]):
            methods.append(replace(served, name=f"{name}, {HARD}", films=_films(frame, "hard_months")))
    return methods, missing


def with_costs(client: MlflowClient, methods: Sequence[Method]) -> list[Method]:
    """Measure what an estimate of each method costs, film to age, in milliseconds of processor time.

    The films are simulated hands, the same for all; hard routing costs what soft routing does.
    """
    films = [draw(_AGE_MONTHS, Sex.FEMALE, seed).image for seed in range(_ROUNDS + 1)]
    known: dict[str, float] = {}
    for method in methods:
        if method.uri and method.uri not in known:
            known[method.uri] = estimate_ms(load_cascade(method.uri, client), films)
    return [
        replace(each, facts={**each.facts, "estimate_ms": known[each.uri]}) if each.uri in known else each
        for each in methods
    ]


def estimate_ms(cascade: Cascade, films: Sequence[np.ndarray]) -> float:
    """Return the median processor time of one estimate in milliseconds, without the first film, which opens all."""
    seconds = []
    for film in films:
        begun = time.process_time()
        cascade.estimate(film, Sex.FEMALE, anyway=True)
        seconds.append(time.process_time() - begun)
    return 1000 * statistics.median(seconds[1:])


def _newest(client: MlflowClient) -> list[Run]:
    """Return the newest finished run of every study in the order in which the studies were first finished."""
    experiments = [each.experiment_id for each in every_page(lambda token: client.search_experiments(page_token=token))]
    query = "tags.level = 'study' and attributes.status = 'FINISHED'"
    found = list(every_page(lambda token: client.search_runs(experiments, query, page_token=token)))
    newest: dict[str, Run] = {}
    for run in sorted(found, key=lambda run: run.info.start_time):
        newest[run.data.tags.get("study", run.info.run_id)] = run
    return list(newest.values())


def _per_image(run: Run) -> pd.DataFrame | None:
    from mlflow.artifacts import load_text
    from mlflow.exceptions import MlflowException

    try:
        return pd.read_csv(StringIO(load_text(f"{run.info.artifact_uri}/{PER_IMAGE}")), dtype={"id": str, "sex": str})
    except (MlflowException, OSError):
        return None


def _films(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.set_index("id")[["sex", "true_months", column]].rename(columns={column: "months"})


def _uri(client: MlflowClient, run: Run) -> str:
    found = client.search_model_versions(f"run_id = '{run.info.run_id}'")
    names = [f"models:/{each.name}/{each.version}" for each in found if each.name.endswith("-cascade")]
    return names[0] if names else ""


def _facts(run: Run) -> dict[str, object]:
    metrics, params = run.data.metrics, run.data.params
    inputs = {each.dataset.name: each.dataset.profile for each in run.inputs.dataset_inputs} if run.inputs else {}
    facts: dict[str, object] = {"backbone": f"{params.get('backbone.name', '')}:{params.get('backbone.weights', '')}"}
    if "train" in inputs:
        facts["train_films"] = int(pd.read_json(StringIO(inputs["train"]), typ="series")["images"])
    for name, metric in (("train_minutes", "seconds"), ("films_minutes", "materials_seconds")):
        if metric in metrics:
            facts[name] = metrics[metric] / 60
    return facts
