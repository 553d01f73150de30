"""Keep a model's best cross-validation, and the finished folds of one under way, in files: no fit is done twice.

Weights and a JSON text in an `.npz` without pickle, replaced at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from boneage.config import HeadParameters, config_sha256, head_parameters
from boneage.errors import BoneageError
from boneage.files import replacing
from boneage.learn.crossval import CVResult, FoldResult
from boneage.learn.fit import FitResult
from boneage.study.models import Chosen

_FACTS = "facts"


def save_chosen(path: Path, chosen: Chosen) -> Path:
    """Write a cross-validation: hyperparameters, folds and trial number."""
    arrays: dict[str, Any] = {}
    for number, fold in enumerate(chosen.cv.folds):
        arrays |= {f"fold{number}_weight{i}": weight for i, weight in enumerate(fold.fit.weights)}
    facts = {
        "trial": chosen.trial,
        "params": asdict(chosen.params),
        "mean": chosen.cv.mean,
        "std": chosen.cv.std,
        "best": chosen.cv.best,
        "folds": [
            {"metrics": fold.metrics, "history": fold.fit.history, "best_epoch": fold.fit.best_epoch,
             "seconds": fold.fit.seconds, "weights": len(fold.fit.weights)}
            for fold in chosen.cv.folds
        ],
    }  # fmt: skip
    arrays[_FACTS] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    with replacing(path) as stream:
        np.savez(stream, **arrays)
    return path


def load_chosen(path: Path) -> Chosen | None:
    """Read a cross-validation that `save_chosen` wrote; None where there is none, or none whole."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            facts = json.loads(bytes(arrays[_FACTS]))
            folds = tuple(_fold(arrays, number, each) for number, each in enumerate(facts["folds"]))
        params = head_parameters(facts["params"], origin=str(path))
    except (OSError, KeyError, ValueError, BadZipFile, BoneageError):
        # A cache that cannot be read is made again: nothing is lost but time.
        return None
    return Chosen(params, CVResult(folds, facts["mean"], facts["std"], facts["best"]), facts["trial"])


class FoldStore:
    """Keeps the finished folds of a cross-validation under way, so that an interrupted one goes on with its next fold.

    Args:
        folder: belongs to one model, its samples, seed and settings of training.
        params: the trial's hyperparameters; folds of others are never mixed in.
    """

    def __init__(self, folder: Path, params: HeadParameters) -> None:
        self._folder, self._params, self._name = folder, params, config_sha256(params)[:16]

    def keep(self, number: int, result: FoldResult) -> None:
        """Write one finished fold."""
        save_chosen(self._file(number), Chosen(self._params, CVResult((result,), {}, {}, 0), number))

    def finished(self, numbers: Iterable[int]) -> dict[int, FoldResult]:
        """Return those of the numbered folds that are there."""
        kept = {number: load_chosen(self._file(number)) for number in numbers}
        return {number: each.cv.folds[0] for number, each in kept.items() if each and each.params == self._params}

    def clear(self) -> None:
        """Delete them: the cross-validation has ended."""
        for file in self._folder.glob(f"{self._name}-fold*.npz"):
            file.unlink(missing_ok=True)

    def _file(self, number: int) -> Path:
        return self._folder / f"{self._name}-fold{number}.npz"


def _fold(arrays: Any, number: int, facts: dict[str, Any]) -> FoldResult:
    weights = [arrays[f"fold{number}_weight{i}"] for i in range(facts["weights"])]
    fit = FitResult(weights, facts["history"], facts["best_epoch"], facts["seconds"])
    return FoldResult(fit, facts["metrics"])
