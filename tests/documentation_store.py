"""Versions for the maintainer's tutorial: registered at once from made-up estimates instead of trained for minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from boneage.cascade.bundle import save_bundle
from boneage.cascade.cascade import Cascade
from boneage.cascade.routing import Head
from boneage.config import Config, StudyConfig
from boneage.groups import AGE_GROUPS, ALL_MODELS, Sex
from boneage.learn.heads import initial_weights
from boneage.preprocess.preparer import Preparer
from boneage.registry import register
from boneage.registry.promotion import promote
from boneage.registry.validation import COLUMNS
from boneage.tracking.store import ensure_experiment, open_existing
from tests.fake_cascade import PLAIN
from tests.registry.conftest import FEATURES, PARAMETERS, StandInBackbone

PREFIX = "boneage-demo"


class DemoVersions:
    """Registers versions of `boneage-demo-cascade` in the open store, as the demo's studies would."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(register, "_register_heads", lambda *args: dict.fromkeys(ALL_MODELS, 1))
        config = Config(study=StudyConfig(name="demo", prefix=PREFIX), preprocess=PLAIN)
        weights = {key: tuple(initial_weights(key.task, FEATURES, PARAMETERS, 0)) for key in ALL_MODELS}
        heads = {key: Head(key, PARAMETERS, each) for key, each in weights.items()}
        card = {"study": "demo", "images": {"train": 768, "validation": 192}, "split_sha256": "ab" * 32}
        cascade = Cascade(Preparer(config.preprocess), StandInBackbone(), heads, config, card)  # type: ignore[arg-type]
        self._bundle = save_bundle(cascade, folder / "cascade")
        self._client = open_existing()
        self._ages = np.concatenate([np.linspace(one.low, min(one.high, 227), 24) for one in AGE_GROUPS] * len(Sex))
        self._errors = np.random.default_rng(3).normal(0, 11, len(self._ages))

    def champion(self) -> None:
        """Register version 1 and promote it."""
        self._register(self._errors)
        promote(self._client, f"{PREFIX}-cascade")

    def worse(self) -> None:
        """Register a version that errs more on every film."""
        self._register(self._errors * 1.4)

    def alike(self) -> None:
        """Register a version that errs a little otherwise."""
        self._register(self._errors * 0.98 + np.random.default_rng(4).normal(0, 1, len(self._errors)))

    def _register(self, errors: np.ndarray) -> None:
        sexes = np.repeat([str(sex) for sex in Sex], len(self._ages) // len(Sex))
        names = [f"film-{number}" for number in range(len(errors))]
        columns: list[Any] = [names, [f"{number:064x}" for number in range(len(errors))], sexes, self._ages]
        table = pd.DataFrame(dict(zip(COLUMNS, [*columns, self._ages + errors], strict=True)))
        run = self._client.create_run(ensure_experiment(self._client, "demo"), run_name="study").info.run_id
        metrics = {"mae_months": float(np.abs(errors).mean())}
        register.register_cascade(
            self._client,
            register.Submission(self._bundle, run, validation=table, card="# A card", metrics=metrics, prefix=PREFIX),
        )
