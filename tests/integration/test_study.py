"""The main job end to end on a few phantoms: search, folds, final training, cascade, registry, estimate."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import mlflow
import pytest

from boneage.cli import main as boneage
from boneage.config import load_config
from boneage.groups import ALL_MODELS
from boneage.paths import study_folder, workspace
from tuning.__main__ import main as tuning

ROOT = Path(__file__).parents[2]
TAGS = {"level", "task", "sex", "age_group", "trial", "fold", "study", "split_sha256", "config_sha256"}
CONFIG = """
[study]
name = "tiny"
prefix = "tiny"
[[data.sources]]
name = "phantoms"
layout = "phantom"
path = "phantoms"
count = 96
seed = 3
[preprocess]
background = "handmask"
crop = true
pad = true
size = 160
[backbone]
name = "handnet"
weights = "asset"
[classifier]
standardize = true
width_1 = 64
[regressor]
standardize = true
width_1 = 64
[training]
epochs = 3
patience = 2
[tuning]
trials = 2
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A project of its own, in which one tiny study has been run and promoted."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "tiny.toml").write_text(CONFIG)
    patch = pytest.MonkeyPatch()
    patch.setenv("BONEAGE_HOME", str(folder))
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    from boneage.tracking.store import store_uri
    from tuning.__main__ import main

    assert main([str(folder / "tiny.toml"), "--promote"]) == 0
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store_uri())
    yield folder
    mlflow.set_tracking_uri(before)
    patch.undo()
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture(scope="module")
def client(home):
    from boneage.tracking.store import open_store

    return open_store()


def runs(client, level):
    experiment = client.get_experiment_by_name("tiny")
    found = client.search_runs([experiment.experiment_id], f"tags.level = '{level}'", max_results=500)
    return list(found)


def test_runs_nest_from_study_to_fold_and_every_level_carries_the_tags(client):
    counts = {level: len(runs(client, level)) for level in ("study", "model", "trial", "fold", "final")}
    assert counts["study"] == 1
    assert counts["model"] == counts["final"] == 10
    assert counts["trial"] >= 20
    for level in counts:
        for run in runs(client, level):
            assert {
                "level",
                "task",
                "sex",
                "age_group",
                "trial",
                "fold",
                "study",
                "split_sha256",
                "config_sha256",
            } <= set(run.data.tags)
    complete = [run for run in runs(client, "trial") if run.info.status == "FINISHED"]
    folds = [run for run in runs(client, "fold") if run.data.tags["mlflow.parentRunId"] == complete[0].info.run_id]
    assert len(folds) == 5
    assert "learning_rate" in folds[0].data.metrics


def test_trials_carry_the_means_of_their_folds(client):
    for run in runs(client, "trial"):
        if run.info.status == "FINISHED":
            name = "accuracy" if run.data.tags["task"] == "classifier" else "mae_months"
            assert f"cv_val_{name}_mean" in run.data.metrics
            assert f"cv_val_{name}_std" in run.data.metrics


def test_the_first_trial_is_the_papers_architecture(client):
    first = [run for run in runs(client, "trial") if run.data.tags["trial"] == "000"]
    assert len(first) == 10
    for run in first:
        assert (run.data.params["width_1"], run.data.params["width_2"], run.data.params["dropout"]) == (
            "1024",
            "512",
            "0.2",
        )


def test_a_study_makes_one_backbone_pass_per_image_and_view(home, client):
    from boneage.study.materials import gather

    config = load_config(home / "tiny.toml")
    assert gather(config).backbone.passes == 0, "all features must come from the cache the second time"
    study = runs(client, "study")[0]
    images = 96 - sum(1 for _ in (study_folder("tiny") / "problems.csv").read_text().splitlines()[1:])
    assert study.data.metrics["backbone_passes"] == images


def test_ten_heads_and_a_cascade_are_registered_and_promoted(client):
    names = {model.name for model in client.search_registered_models()}
    assert {f"tiny-{key}" for key in ALL_MODELS} | {"tiny-cascade"} <= names
    assert client.get_model_version_by_alias("tiny-cascade", "champion").version
    version = client.get_model_version_by_alias("tiny-cascade", "challenger")
    assert all(f"head.{key}" in version.tags for key in ALL_MODELS)


def test_page_command_pyfunc_and_library_give_the_same_numbers(home, client, capsys):
    from boneage.registry.register import load_cascade

    uri = "models:/tiny-cascade@champion"
    image = sorted((workspace() / "phantoms").rglob("*.png"))[0]
    estimate = load_cascade(uri).estimate(image, "female").to_json()
    capsys.readouterr()
    assert boneage(["predict", str(image), "--sex", "female", "--model", uri, "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert printed["bone_age_months"] == pytest.approx(estimate["bone_age_months"], abs=1e-3)
    import pandas as pd

    served = mlflow.pyfunc.load_model(uri).predict(pd.DataFrame([{"image": image.read_bytes(), "sex": "female"}]))
    row = served.to_dict("records")[0] if hasattr(served, "to_dict") else served[0]
    assert row["bone_age_months"] == pytest.approx(estimate["bone_age_months"], abs=1e-3)
    assert row["version"] == estimate["version"]


def test_running_the_study_again_reuses_its_trials(home, client):
    before = len(runs(client, "trial"))
    assert tuning([str(home / "tiny.toml"), "--models", "classifier-male"]) == 0
    assert len(runs(client, "trial")) == before, "finished trials must not be run again"


def test_a_killed_study_goes_on_and_leaves_nothing_running(home, client):
    """Killed with -9 in the middle of its second trial; the same command then finishes it."""
    command = [sys.executable, "-m", "tuning", str(home / "tiny.toml"), "--models", "regressor-male-2", "--trials", "3"]
    command += ["--set", "study.name=killed", "--set", "training.epochs=40", "--set", "training.patience=40"]

    def trials():
        experiment = client.get_experiment_by_name("killed")
        query = "tags.level = 'trial'"
        return list(client.search_runs([experiment.experiment_id], query)) if experiment else []

    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while len(trials()) < 2 and time.monotonic() < deadline and first.poll() is None:
        time.sleep(0.05)
    assert first.poll() is None, "the study ended before it could be killed"
    first.send_signal(signal.SIGKILL)
    first.wait()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert not list(client.search_runs(["0", trials()[0].info.experiment_id], "attributes.status = 'RUNNING'"))
    finished = [run for run in trials() if run.info.status in ("FINISHED", "KILLED")]
    assert len(finished) == len(trials()) >= 3
    whole = [part.replace("killed", "whole") for part in command[3:]]
    assert tuning(whole) == 0
    assert best("killed") == best("whole"), "killed or not, a search ends with the same parameters"
    figures = [cv_figures(client, name) for name in ("killed", "whole")]
    assert figures[0] == pytest.approx(figures[1], abs=1e-6)


def best(study):
    return tomllib.loads((study_folder(study) / "best.toml").read_text())["models"]


def cv_figures(client, study):
    """Return the chosen trial's means over the folds, as the model's run shows them."""
    experiment = client.get_experiment_by_name(study).experiment_id
    model = client.search_runs([experiment], "tags.level = 'model' and attributes.status = 'FINISHED'")[0]
    return {name: value for name, value in model.data.metrics.items() if name.startswith("cv_val_")}


@pytest.mark.parametrize("level", ["trial", "model"])
def test_a_past_run_is_trained_again_with_the_same_figures(home, client, capsys, level):
    query = f"tags.level = '{level}' and tags.sex = 'male' and tags.age_group = '2' and attributes.status = 'FINISHED'"
    run = client.search_runs([client.get_experiment_by_name("tiny").experiment_id], query)[0]
    command = ["train", str(home / "tiny.toml"), "--params", run.info.run_id, "--set", "study.name=again"]
    assert boneage(command) == 0
    said = capsys.readouterr().out
    assert "regressor-male-2" in said and "are those of then" in said
    assert "classifier-male" not in said, "the model of that run alone"


def test_a_past_study_is_read_whole_and_what_differs_is_told(home, client):
    from boneage.study.repeat import RepeatError, read_past

    past = read_past(client, runs(client, "study")[-1].info.run_id)
    assert set(past.params) == set(ALL_MODELS)
    assert past.differences(load_config(home / "tiny.toml")) == []
    changed = past.differences(load_config(home / "tiny.toml", ["training.epochs=9"]))
    assert changed == ["training.epochs was 3 and is 9"]
    with pytest.raises(RepeatError, match="MLflow UI"):
        read_past(client, "f" * 32)


def test_the_study_run_has_optunas_plots_of_every_model(client):
    run = runs(client, "study")[-1]
    page = Path(client.download_artifacts(run.info.run_id, "search.html")).read_text()
    assert all(f'id="{key}"' in page for key in ALL_MODELS)
    assert page.count("plotly-graph-div") >= 2 * len(ALL_MODELS)
    assert 'src="http' not in page, "it must open without network"


def test_best_parameters_and_splits_are_files(home):
    assert (study_folder("tiny") / "best.toml").read_text().count("[models.") == 10
    assert (study_folder("tiny") / "splits.json").is_file()
