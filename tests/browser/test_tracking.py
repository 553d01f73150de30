"""The MLflow UI on a store of ours, in a real browser: what a researcher looks for is found where it should be."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tracking_pages import all_runs_of, compare_folds, open_runs, open_trial, run_names, sorted_trials

from boneage.config import Config, HeadParameters, StudyConfig
from boneage.groups import ModelKey
from boneage.learn.crossval import CVResult, FoldResult
from boneage.learn.fit import FitResult

pytestmark = pytest.mark.slow
MODEL = "regressor-female-3"
MEANS = (12.0, 8.0, 10.0)
MANY = 210


@pytest.fixture(scope="module")
def place(store_template, tmp_path_factory):
    """A database with one model of three trials, and an experiment of many runs."""
    from boneage.tracking.runs import StudyTracker
    from boneage.tracking.store import ensure_experiment, open_store

    file = tmp_path_factory.mktemp("tracked") / "mlflow.db"
    shutil.copyfile(store_template, file)
    client = open_store(f"sqlite:///{file}")
    tracker = StudyTracker(client, Config(study=StudyConfig(name="tiny")), "ab" * 32)
    key, other = ModelKey.parse(MODEL), ModelKey.parse("classifier-male")
    with tracker.study_run() as study:
        tracker.log_dataset(study, "train", "cd" * 32, "training", {"images": 80})
        with tracker.model_run(other):
            pass
        with tracker.model_run(key):
            for number, mean in enumerate(MEANS):
                with tracker.trial_run(key, number, HeadParameters(batch_size=8 << number)) as trial:
                    folds = tuple(_fold(mean + fold) for fold in range(2))
                    for fold, result in enumerate(folds):
                        tracker.log_fold(trial, key, fold, result)
                    tracker.log_cv(trial, CVResult(folds, {"mae_months": mean}, {"mae_months": 0.5}, 0))
            with tracker.final_run(key, HeadParameters()) as final:
                tracker.log_fit(final, folds[0].fit)
    many = ensure_experiment(client, "many")
    for number in range(MANY):
        run = client.create_run(many, run_name=f"run-{number:03d}")
        client.set_terminated(run.info.run_id)
    return file, tracker.experiment_id, many


def _fold(mae: float) -> FoldResult:
    history = {"loss": [mae + 3, mae + 1], "val_loss": [mae + 4, mae], "learning_rate": [1e-3, 1e-4]}
    return FoldResult(FitResult([], history, 1, 0.1), {"mae_months": mae, "loss": mae})


@pytest.fixture(scope="module")
def ui(place, browser):
    """The address of `mlflow ui`, started as `make ui` starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{place[0]}"]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    url, log = f"http://127.0.0.1:{port}", place[0].with_name("ui.log")
    with log.open("wb") as out:
        server = subprocess.Popen(command, env={**os.environ, **quiet}, stdout=out, stderr=out, start_new_session=True)
    _wait(url, server, log)
    yield url
    os.killpg(server.pid, 15)
    server.wait(30)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        if server.poll() is not None:
            break
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{url}/health", timeout=2):
            return
        time.sleep(0.5)
    raise AssertionError(log.read_text()[-3000:])


@pytest.fixture(scope="module")
def sheet(browser):
    page = browser.new_page(viewport={"width": 1500, "height": 900})
    page.set_default_timeout(120_000)  # a busy machine may need them
    yield page
    page.close()


def test_trials_are_sorted_and_one_is_opened(sheet, ui, place):
    names = [name for name in sorted_trials(sheet, ui, place[1], MODEL) if name.startswith("trial-")]
    assert names == ["trial-001", "trial-002", "trial-000"], "by their mean error, the best first"
    text = open_trial(sheet, "trial-001")
    for words in ("cv_val_mae_months_mean", "batch_size", "seed", "packages", "machine"):
        assert words in text, words


def test_the_curves_of_a_trials_folds_lie_over_each_other(sheet, ui, place):
    compare_folds(sheet, ui, place[1], MODEL, "001")
    sheet.get_by_text("learning_rate", exact=True).first.wait_for()
    assert sheet.get_by_text("fold-0").count() and sheet.get_by_text("fold-1").count()


def test_all_runs_of_a_model_are_found_by_tag(sheet, ui, place):
    names = all_runs_of(sheet, ui, place[1], MODEL)
    assert sorted(set(names) & {MODEL, "final"}) == ["final", MODEL]
    sheet.get_by_text("11 matching runs").wait_for()
    assert "classifier-male" not in names


def test_two_hundred_runs_are_listed(sheet, ui, place):
    open_runs(sheet, ui, place[2], "", "attributes.run_name")
    assert run_names(sheet, "run-0")[:3] == ["run-000", "run-001", "run-002"]
    sheet.get_by_text("100 matching runs").wait_for()
    sheet.get_by_role("button", name="Load more").click()
    sheet.get_by_text("200 matching runs").wait_for()
