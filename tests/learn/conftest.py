"""Samples small enough to fit in a blink, a watch set, and prepared images kept in memory."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hashlib

import numpy as np
import pytest

from boneage.config import HeadParameters
from boneage.groups import group_of
from boneage.learn.fit import Samples

N_FEATURES = 24


def make_samples(count, low=0.0, high=228.0, seed=0, n_features=N_FEATURES):
    rng = np.random.default_rng(seed)
    ages = rng.uniform(low, high, count).astype(np.float32)
    features = rng.normal(size=(count, n_features)).astype(np.float32)
    features[:, :8] += ages[:, None] / 60
    return Samples(features, ages, np.array([group_of(age) for age in ages]))


@pytest.fixture
def params():
    return HeadParameters(width_1=32, width_2=16, batch_size=16)


class MemoryPrepared:
    """What `extract` needs of a PreparedSet."""

    config_sha256 = "c" * 64

    def __init__(self, images):
        self.images, self.loads = images, 0
        self.content_sha256 = {name: hashlib.sha256(image.tobytes()).hexdigest() for name, image in images.items()}

    def stack(self, ids):
        self.loads += len(ids)
        return np.stack([self.images[name] for name in ids])


@pytest.fixture
def prepared():
    rng = np.random.default_rng(1)
    return MemoryPrepared({f"hand-{k}": rng.integers(0, 256, (40, 40), dtype=np.uint8) for k in range(10)})
