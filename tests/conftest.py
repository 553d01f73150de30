"""Fixtures that several rooms' tests share."""

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def store_template(tmp_path_factory):
    """A migrated, empty MLflow database: making one takes seconds, so it is made once and copied."""
    from boneage.tracking.store import open_store

    file = tmp_path_factory.mktemp("template") / "mlruns" / "mlflow.db"
    open_store(f"sqlite:///{file}")
    return file


@pytest.fixture
def store(store_template, tmp_path, monkeypatch):
    """An open client on a store of its own, which `store_uri()` names, too; MLflow's global state is put back."""
    import mlflow

    from boneage.tracking.store import open_store

    file = tmp_path / "mlruns" / "mlflow.db"
    file.parent.mkdir()
    shutil.copyfile(store_template, file)
    uri = f"sqlite:///{file}"
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    yield open_store(uri)
    mlflow.set_tracking_uri(before)
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture
def no_text(monkeypatch):
    """Find no text on the films of reports: looking takes half a second each time."""
    import numpy as np

    from boneage.hospital.deidentify import Cleaned

    def look(film):
        return Cleaned(film, (), np.zeros(film.shape, bool), 0)

    monkeypatch.setattr("boneage.hospital.report_film.look", look)
