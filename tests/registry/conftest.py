"""A tiny real bundle (numpy heads, a stand-in backbone) and a study's run to register it under."""

import numpy as np
import pandas as pd
import pytest

from boneage.cascade.bundle import save_bundle
from boneage.cascade.cascade import Cascade
from boneage.cascade.routing import Head
from boneage.config import Config, HeadParameters, StudyConfig
from boneage.groups import ALL_MODELS
from boneage.learn.heads import initial_weights
from boneage.preprocess.preparer import Preparer
from boneage.registry import register as registry
from boneage.registry.register import Submission
from boneage.registry.validation import COLUMNS
from boneage.tracking.store import ensure_experiment
from tests.fake_cascade import PLAIN
from tests.fake_fold import fold

__all__ = ["fold"]

FEATURES = 2
PARAMETERS = HeadParameters(width_1=6, width_2=4)


class StandInBackbone:
    """Pools to mean and deviation of the grey levels, 0-1."""

    def pooled(self, images):
        flat = images.reshape(len(images), -1) / 255
        return np.stack([flat.mean(axis=1), flat.std(axis=1)], axis=1).astype(np.float32)

    def save(self, path):
        path.write_bytes(b"a stand-in for a network" * 5000)

    def save_graph(self, path):
        """It has none, as bundles of before graphs travelled along."""

    @staticmethod
    def load(path):
        if not path.is_file():
            raise FileNotFoundError(path)
        return StandInBackbone()


@pytest.fixture(autouse=True)
def backbones(monkeypatch):
    """Let bundles open with the stand-in, so that no test waits for a network."""
    monkeypatch.setattr("boneage.learn.frozen.FrozenBackbone", StandInBackbone)


@pytest.fixture
def ten_heads():
    """Ask for this to have the ten heads registered, too; without it a test is spared those two seconds."""


@pytest.fixture(autouse=True)
def without_heads(request, monkeypatch):
    if "ten_heads" not in request.fixturenames:
        monkeypatch.setattr(registry, "_register_heads", lambda *args: dict.fromkeys(ALL_MODELS, 1))


@pytest.fixture
def config():
    return Config(study=StudyConfig(name="tiny", prefix="tiny"), preprocess=PLAIN)


@pytest.fixture
def cascade(config):
    heads = {
        key: Head(key, PARAMETERS, tuple(initial_weights(key.task, FEATURES, PARAMETERS, seed)))
        for seed, key in enumerate(ALL_MODELS)
    }
    card = {"study": "tiny", "images": {"train": 80, "validation": 20}, "split_sha256": "ab" * 32}
    return Cascade(Preparer(config.preprocess), StandInBackbone(), heads, config, card)


@pytest.fixture
def bundle(cascade, tmp_path):
    return save_bundle(cascade, tmp_path / "cascade")


def validation(error_months, ids=range(20)):
    """Estimates that are all wrong by the same number of months."""
    ages = np.array([10 + i % 20 * 200 / 19 for i in ids])
    values = [[f"img-{i}" for i in ids], [f"{i:064x}" for i in ids], "female", ages, ages + error_months]
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))


@pytest.fixture
def submit(store, bundle):
    """Make a submission under a run of its own: `submit(error_months, ids=..., **changes)`."""

    def make(error_months=5.0, ids=range(20), **changes):
        run = store.create_run(ensure_experiment(store, "tiny"), run_name="study").info.run_id
        values = {"card": "# A card", "metrics": {"mae_months": abs(error_months)}, "prefix": "tiny", **changes}
        return Submission(bundle, run, validation=validation(error_months, ids), **values)

    return make
