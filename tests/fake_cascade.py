"""Stand-ins for tests: a cascade whose heads read the answer out of the picture, so every expected number is known."""

from __future__ import annotations

import numpy as np
import pytest

from boneage.config import Config, PreprocessConfig
from boneage.groups import AGE_GROUPS, ALL_MODELS, ModelKey, Task, group_of

PLAIN = PreprocessConfig(background="none", contrast="none", size=32)
"""A preparation that keeps the grey levels, and needs no network."""


class FakeHead:
    """Feature 0 is the age in months; classifiers choose its group, regressor k adds `shift` to it."""

    def __init__(self, key: ModelKey, sure: float = 0.7, shift: float = 0.0) -> None:
        self.key, self.sure, self.shift, self.asked = key, sure, shift, 0

    def predict(self, features: np.ndarray) -> np.ndarray:
        self.asked += len(features)
        if self.key.task is Task.REGRESSOR:
            return features[:, 0] + self.shift
        rest = (1 - self.sure) / (len(AGE_GROUPS) - 1)
        probabilities = np.full((len(features), len(AGE_GROUPS)), rest)
        for row, age in enumerate(features[:, 0]):
            probabilities[row, group_of(float(np.clip(age, 0, 228))) - 1] = self.sure
        return probabilities


@pytest.fixture
def heads():
    return {key: FakeHead(key) for key in ALL_MODELS}


class FakeBackbone:
    """Pools to (mean grey level, 1): so the age in months is the mean grey level of the prepared image."""

    features = 2

    def __init__(self) -> None:
        self.passes = 0

    def pooled(self, images: np.ndarray) -> np.ndarray:
        self.passes += len(images)
        return np.stack([images.reshape(len(images), -1).mean(axis=1), np.ones(len(images))], axis=1).astype(np.float32)


def fake_cascade(heads=None):
    """A whole cascade without a network: the mean grey level of a prepared film is its bone age in months."""
    from boneage.cascade.cascade import Cascade
    from boneage.preprocess.preparer import Preparer

    heads = heads or {key: FakeHead(key) for key in ALL_MODELS}
    return Cascade(Preparer(PLAIN), FakeBackbone(), heads, Config(preprocess=PLAIN), model="fake", version="7")


@pytest.fixture
def cascade(heads):
    return fake_cascade(heads)
