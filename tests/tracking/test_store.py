"""The store is made once, by one process, and survives a move."""

import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from boneage.cascade.bundle import load_bundle
from boneage.registry.promotion import promote
from boneage.registry.register import load_cascade, register_cascade
from boneage.tracking.store import (
    StoreError,
    ensure_experiment,
    open_existing,
    open_store,
    relocate,
    store_exists,
    store_uri,
)

ROOT = Path(__file__).parents[2]


def test_the_store_is_the_projects_whatever_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path / "project"))
    monkeypatch.chdir(tmp_path)
    assert store_uri() == f"sqlite:///{tmp_path}/project/mlruns/mlflow.db"
    assert not store_exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert store_uri() == "http://127.0.0.1:5000"
    assert store_exists()


def test_several_processes_may_start_on_a_missing_store(tmp_path):
    code = (
        "import sys; from boneage.tracking.store import *; print(ensure_experiment(open_store(sys.argv[1]), 'study'))"
    )
    uri = f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    command = [sys.executable, "-c", code, uri]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    answers = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], answers
    assert len({out.strip() for out, _ in answers}) == 1
    assert sorted(path.name for path in (tmp_path / "mlruns").iterdir()) == ["mlflow.db", "mlflow.lock"]


def test_artifacts_lie_beside_the_database(store, tmp_path):
    experiment = ensure_experiment(store, "study")
    assert ensure_experiment(store, "study") == experiment
    assert store.get_experiment(experiment).artifact_location == str(tmp_path / "mlruns" / "artifacts")


def test_a_deleted_experiment_comes_back(store):
    experiment = ensure_experiment(store, "study")
    store.delete_experiment(experiment)
    assert ensure_experiment(store, "study") == experiment
    assert store.get_experiment(experiment).lifecycle_stage == "active"


def test_a_moved_store_works_again_after_relocating(store, submit, tmp_path, monkeypatch):
    submission = submit()
    register_cascade(store, submission)
    promote(store, "tiny-cascade")
    store.log_text(submission.run_id, "kept", "note.txt")
    new = tmp_path / "elsewhere" / "with space" / "mlruns"
    new.parent.mkdir(parents=True)
    (tmp_path / "mlruns").rename(new)
    uri = f"sqlite:///{new}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    moved = open_store(uri)
    with pytest.raises(Exception, match="store relocate"):
        load_cascade("models:/tiny-cascade@champion", client=moved)

    changed = relocate(new)

    assert set(changed) >= {"experiments.artifact_location", "runs.artifact_uri", "model_versions.source"}
    assert all(count > 0 for count in changed.values())
    loaded = load_cascade("models:/tiny-cascade@champion", client=moved)
    assert loaded.version == "1"
    picture = (ROOT / "tests" / "tracking" / "conftest.py").read_bytes()
    with pytest.raises(mlflow.exceptions.MlflowException, match="row 0"):
        rows = pd.DataFrame([{"image": picture, "sex": "male"}])
        mlflow.pyfunc.load_model("models:/tiny-cascade@champion").predict(rows)
    assert Path(moved.download_artifacts(submission.run_id, "note.txt")).read_text() == "kept"
    assert load_bundle(submission.bundle).config == loaded.config
    assert not any(relocate(new).values())


def test_relocating_leaves_other_places_alone(store, tmp_path):
    store.create_experiment("in-a-bucket", artifact_location="s3://bucket/artifacts/1")
    relocate(tmp_path / "mlruns")
    assert store.get_experiment_by_name("in-a-bucket").artifact_location == "s3://bucket/artifacts/1"


def test_relocating_nothing_says_what_is_wanted(tmp_path):
    with pytest.raises(StoreError, match=r"no mlflow\.db"):
        relocate(tmp_path)


def test_a_damaged_store_is_refused_in_a_sentence(tmp_path):
    file = tmp_path / "mlflow.db"
    file.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        open_existing(f"sqlite:///{file}")


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be made"):
        open_store(f"sqlite:///{tmp_path}/file/mlflow.db")
