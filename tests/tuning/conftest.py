"""A model's task on drawn features: a search on it takes a second, not minutes, and needs no image."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from boneage.config import from_mapping
from boneage.groups import ModelKey
from boneage.study.models import ModelTask
from tests.learn.conftest import make_samples

SPLIT = "ab" * 32
SETTINGS = {
    "study": {"name": "small", "seed": 5},
    "training": {"epochs": 3, "patience": 3},
    "tuning": {"trials": 6, "pruner": "none"},
}


def make_task(name="regressor-male-2", **tuning):
    key = ModelKey.parse(name)
    config = from_mapping({**SETTINGS, "tuning": {**SETTINGS["tuning"], **tuning}})
    low, high = (58.0, 114.9) if key.group else (0.0, 228.0)
    train = make_samples(40, low, high)
    return ModelTask(key, config, train, np.arange(40) % 5, make_samples(12, low, high, seed=9))


@pytest.fixture
def home(store_template, tmp_path, monkeypatch):
    """Return what opens a project of its own: a folder with an empty store, named by BONEAGE_HOME."""
    import shutil

    def enter(name):
        folder = tmp_path / name
        if not folder.exists():
            (folder / "mlruns").mkdir(parents=True)
            shutil.copyfile(store_template, folder / "mlruns" / "mlflow.db")
        monkeypatch.setenv("BONEAGE_HOME", str(folder))
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return folder

    return enter
