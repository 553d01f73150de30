"""Facts about power cuts: wherever a small study is cut, the same command goes on and ends as if nothing had been."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from boneage.cascade.bundle import BundleError, read_bundle, save_bundle
from boneage.cascade.cascade import Cascade
from boneage.cascade.routing import Head
from boneage.config import HeadParameters, from_mapping
from boneage.data.flags import FlagRecord, FlagStore
from boneage.data.splits import load_or_draw
from boneage.files import write_whole
from boneage.groups import ALL_MODELS, ModelKey, Sex
from boneage.learn.heads import initial_weights
from boneage.phantom import dataset
from boneage.preprocess.mapped import GrowingTable
from boneage.preprocess.pipeline import Preparer, prepare_table
from boneage.registry import register as registry
from boneage.registry.register import Submission, bundle_folder, register_cascade
from boneage.registry.serving import registered_as
from boneage.registry.soundness import registry_doubts
from boneage.registry.validation import COLUMNS, read_validation
from boneage.registry.versions import list_versions, version_folder
from boneage.tracking.store import ensure_experiment, open_store
from tests.data.test_splits import training_set
from tests.power_cut import survives
from tuning.study import export_best, open_study, storage_for

CONFIG = from_mapping(
    {"study": {"name": "small"}, "preprocess": {"background": "none", "contrast": "none", "size": 32}}
)
KEY = ModelKey.parse("regressor-female-2")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw every hand once, and keep no trials in a database."""
    monkeypatch.setattr(dataset, "draw", lru_cache(dataset.draw))
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def films(home: Path) -> dict[str, Any]:
    """Draw two hands, and prepare them."""
    table = dataset.write_dataset(home / "data", 2, seed=3, workers=1)
    images = sorted((home / "data").glob("boneage-training-dataset/*.png"))
    rows = [{"id": each.stem, "image": str(each), "source": "phantoms"} for each in images]
    prepared = prepare_table(pd.DataFrame(rows), CONFIG.preprocess, home / "prepared", workers=1)
    assert prepared.problems.empty
    hashes = {each.stem: sha256(each) for each in (home / "data").rglob("*.png") if "dataset" in str(each)}
    return {"table": table.read_text(), "films": hashes, "prepared": [sha256(prepared.files[i]) for i in prepared.ids]}


def test_drawing_and_preparing_survive_a_cut_at_every_moment(tmp_path: Path) -> None:
    assert survives(tmp_path, films) > 20


def search(home: Path) -> dict[str, Any]:
    """Draw the splits, keep features, search three trials, export the best, and save a case."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BONEAGE_HOME", str(home))
        splits = load_or_draw(home / "splits.json", training_set(60), from_mapping({}).data, seed=1)
        with GrowingTable(home / "features.f32", home / "keys.txt", np.float32, (4,)) as table:
            for number in range(3):
                if f"film-{number}" not in table.keys:
                    table.append([f"film-{number}"], np.full((1, 4), number, np.float32))
            features = {key: table.rows()[row].tolist() for key, row in table.keys.items()}
        study = open_study(CONFIG, KEY, splits.sha256, storage_for(CONFIG))
        complete = (optuna.trial.TrialState.COMPLETE,)
        while len(study.get_trials(states=complete)) < 3:
            trial = study.ask()
            study.tell(trial, float(trial.suggest_categorical("width_1", (256, 512, 1024))))
        best = export_best(home / "best.toml", CONFIG, {KEY: CONFIG.regressor})
        flags = FlagStore(home / "flagged")
        flags.add(np.full((4, 4), 7, np.uint8), FlagRecord(Sex.MALE, 100.0, 90.0, time="2026-01-01T00:00:00+00:00"))
        saved = flags.records()[["sha256", "reader_age_months"]].to_numpy().tolist()
        assert sha256(flags.folder / "images" / f"{saved[0][0]}.png")
        values = tomllib.loads(best.read_text())
    return {"splits": splits.sha256, "features": features, "best": values, "trials": 3, "flags": saved}


def test_splits_features_trials_and_cases_survive_a_cut_at_every_moment(tmp_path: Path) -> None:
    assert survives(tmp_path, search) > 20


class Network:
    """Stands in for a backbone whose weights are a few bytes, written as the real ones are."""

    def save(self, path: Path) -> Path:
        return write_whole(path, b"weights" * 99)

    def save_graph(self, path: Path) -> Path:
        return write_whole(path, b"graph" * 99)


@lru_cache
def cascade() -> Cascade:
    parameters = HeadParameters(width_1=6, width_2=4)
    heads = {key: Head(key, parameters, tuple(initial_weights(key.task, 2, parameters, 1))) for key in ALL_MODELS}
    return Cascade(Preparer(CONFIG.preprocess), Network(), heads, CONFIG, {"study": "small"})  # type: ignore[arg-type]


def bundle(home: Path) -> dict[str, Any]:
    """Write a cascade's bundle to a new folder, unless one is whole; one that was cut off is never taken for whole."""
    places = sorted(home.glob("bundle-*"))
    for place in places:
        with suppress(BundleError):
            return {"sha256": read_bundle(place).values["sha256"]}
    return {"sha256": read_bundle(save_bundle(cascade(), home / f"bundle-{len(places)}")).values["sha256"]}


def test_a_bundle_is_whole_or_none_wherever_it_was_cut(tmp_path: Path) -> None:
    assert survives(tmp_path, bundle, step=2) > 20


class Lean(Network):
    """A network without a graph, as bundles of before graphs travelled along."""

    def save_graph(self, path: Path) -> None:  # type: ignore[override]
        """Write none."""


def test_a_version_of_the_registry_is_whole_wherever_its_registration_was_cut(
    tmp_path: Path, store_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_register_heads", lambda *args: dict.fromkeys(ALL_MODELS, 1))
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path))  # what other processes answer with is none of this test's
    whole = save_bundle(replace(cascade(), backbone=Lean()), tmp_path / "bundle")  # type: ignore[arg-type]
    ages = np.linspace(10, 200, 20)
    table = [[f"img-{i}" for i in range(20)], [f"{i:064x}" for i in range(20)], "female", ages, ages + 5]

    def registration(home: Path) -> list[Any]:
        """Register a cascade unless it is there, and read all that the registry's versions hold."""
        file = home / "mlruns" / "mlflow.db"
        if not file.is_file():
            file.parent.mkdir()
            shutil.copyfile(store_template, file)
        client = open_store(f"sqlite:///{file}")
        if not list_versions(client, "small-cascade"):
            run = client.create_run(ensure_experiment(client, "small")).info.run_id
            rows = pd.DataFrame(dict(zip(COLUMNS, table, strict=True)))
            register_cascade(client, Submission(whole, run, "# A card", {"mae_months": 5.0}, rows, prefix="small"))
        assert not list(registry_doubts(client))
        return [read_version(client, info) for info in list_versions(client, "small-cascade")]

    assert survives(tmp_path, registration, step=6) > 3


def read_version(client: Any, info: Any) -> list[Any]:
    """Return what a version's files say."""
    folder = version_folder(client, info)
    card, named = (folder / "card.md").read_text(encoding="utf-8"), registered_as(folder)
    assert named in {(info.name, str(info.version)), (folder.name, "")}  # half a note is none
    table = read_validation(client, info).to_numpy().tolist()
    return [read_bundle(bundle_folder(client, info)).values["sha256"], card, table]
