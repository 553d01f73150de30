"""The outer search on a few phantoms: settings upstream of the heads, cached, logged, the winner a configuration."""

import tomllib

import pytest

from boneage.config import load_config
from boneage.paths import workspace
from boneage.study import materials
from boneage.tracking.store import open_store
from tuning.outer.__main__ import main
from tuning.outer.search import METRIC, settings
from tuning.spaces import upstream_choices, upstream_own

CONFIG = """
[study]
name = "tiny"
[[data.sources]]
name = "phantoms"
layout = "phantom"
path = "phantoms"
count = 96
seed = 3
[data]
folds = 2
[preprocess]
background = "none"
size = 128
[classifier]
width_1 = 16
width_2 = 8
standardize = true
[regressor]
width_1 = 16
width_2 = 8
standardize = true
[training]
epochs = 2
[outer]
contrast = ["equalize", "none"]
crop = []
rotate = []
views = ["original+flip"]
"""


@pytest.fixture
def file(store, tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(CONFIG)
    return path


def runs(level):
    client = open_store()
    experiment = client.get_experiment_by_name("tiny-outer").experiment_id
    return list(client.search_runs([experiment], f"tags.level = '{level}'", order_by=["attributes.start_time"]))


def test_the_studys_own_setting_comes_first_and_none_comes_twice(file):
    config = load_config(file)
    assert upstream_choices(config)["contrast"] == ("equalize", "none")
    assert upstream_choices(config)["views"] == ("original", "original+flip")
    every = settings(config)
    assert every[0] == upstream_own(config)
    assert len(every) == len({str(setting) for setting in every}) == 4
    assert every == settings(config)


def test_an_outer_search_writes_its_winner_and_goes_on_where_it_stopped(file, capsys, monkeypatch):
    assert main([str(file), "--trials", "2"]) == 0
    said = capsys.readouterr().out
    tried = runs("outer")
    assert [run.info.status for run in tried] == ["FINISHED"] * 2
    assert [run.data.params["contrast"] for run in tried][0] == "equalize"
    scores = [run.data.metrics[METRIC] for run in tried]
    assert f"{min(scores):.2f} months" in said
    best = workspace() / "studies" / "tiny-outer" / "best.toml"
    winner = load_config(best)
    chosen = tried[scores.index(min(scores))].data.params
    assert {name: str(value) for name, value in upstream_own(winner).items()} == chosen
    assert tomllib.loads(best.read_text())["study"]["name"] == "tiny-best"
    assert len(runs("outer-study")) == 1
    assert {"seed", "packages", "machine", "config_sha256", "split_sha256", "code_version"} <= set(tried[0].data.tags)
    assert [given.dataset.name for given in tried[0].inputs.dataset_inputs] == ["train"]
    assert all(f"cv_val_accuracy_mean.classifier-{sex}" in tried[0].data.metrics for sex in ("male", "female"))

    passes = []
    extract = materials.extract
    monkeypatch.setattr(
        materials,
        "extract",
        lambda prepared, ids, *more, **kwargs: passes.append(1) or extract(prepared, ids, *more, **kwargs),
    )
    assert main([str(file), "--trials", "2"]) == 0
    assert not passes, "settings that were tried are not tried again"
    assert len(runs("outer")) == 2 and len(runs("outer-study")) == 1
