"""Find the training cases whose backbone features are most similar to a film's; a help for the reader, no evidence.

The index holds ids, sexes, ages and compressed features of training images, no image. It travels in the bundle, so it
is small: features are standardised, projected on their first principal components and stored as whole numbers of one
byte, 0.4 MB for 11,349 cases instead of 11.6 MB as float16 (docs/how-to/safety.md says what that costs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from boneage.errors import BoneageError
from boneage.files import replacing
from boneage.groups import Sex

DIMENSIONS = 48
SHOWN = 5
_LARGEST = 127


@dataclass(frozen=True)
class SimilarCase:
    """A training case near a film: its id, its reader's age in months, and 0 (unlike) to 1 (the same) likeness."""

    id: str
    age_months: float
    likeness: float


@dataclass(frozen=True)
class CaseIndex:
    """Compressed features of labelled cases.

    Attributes:
        backbone_sha256: the backbone that the features come from.
        ids: N names.
        sexes: N sexes.
        ages_months: float32 (N,).
        mean: float32 (D,), of the cases' features.
        axes: float16 (D, K), what turns a feature's distance from the mean into components.
        codes: int8 (N, K), the cases' components in steps of one size.
    """

    backbone_sha256: str
    ids: NDArray[np.str_]
    sexes: NDArray[np.str_]
    ages_months: NDArray[np.float32]
    mean: NDArray[np.float32]
    axes: NDArray[np.float16]
    codes: NDArray[np.int8]

    @classmethod
    def of(
        cls,
        backbone_sha256: str,
        ids: Sequence[str],
        sexes: Sequence[str],
        ages: np.ndarray,
        features: np.ndarray,
        *,
        dimensions: int = DIMENSIONS,
    ) -> CaseIndex:
        """Make an index from a study's training part.

        Args:
            backbone_sha256: of the backbone.
            ids: N names.
            sexes: N sexes.
            ages: float (N,), months.
            features: float (N, D).
            dimensions: how many principal components are kept.
        """
        values = np.asarray(features, np.float32)
        mean, axes = values.mean(axis=0), _axes(values, dimensions)
        components = (values - mean) @ axes.astype(np.float32)
        # One step for all components: distances between codes stay those between components.
        step = max(float(np.abs(components).max(initial=0.0)), 1e-6) / _LARGEST
        codes = np.round(components / step).astype(np.int8)
        names = np.array([str(sex) for sex in sexes])
        return cls(backbone_sha256, np.array(ids), names, np.asarray(ages, np.float32), mean, axes, codes)

    def nearest(self, features: np.ndarray, sex: Sex | str, count: int = SHOWN) -> list[SimilarCase]:
        """Return the cases of a sex nearest to a film's features float32 (D,), by the cosine of the components."""
        rows = np.flatnonzero(self.sexes == str(Sex.parse(sex)))
        if rows.size == 0:
            return []
        known = self.codes[rows].astype(np.float32)
        one = (np.asarray(features, np.float32).ravel() - self.mean) @ self.axes.astype(np.float32)
        likeness = known @ one / (np.linalg.norm(known, axis=1) * np.linalg.norm(one) + 1e-9)
        best = np.argsort(likeness, kind="stable")[::-1][:count]
        return [
            SimilarCase(str(self.ids[rows[i]]), float(self.ages_months[rows[i]]), float(np.clip(likeness[i], 0, 1)))
            for i in best
        ]

    def save(self, file: Path) -> Path:
        """Write the index as one file, without pickle."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        with replacing(file) as stream:
            np.savez_compressed(stream, backbone_sha256=np.array(self.backbone_sha256), **arrays)
        return file

    @classmethod
    def load(cls, file: Path, backbone_sha256: str) -> CaseIndex:
        """Read an index.

        Raises:
            BoneageError: when it is missing, damaged, or of another backbone.
        """
        try:
            with np.load(file, allow_pickle=False) as stored:
                found = cls(str(stored["backbone_sha256"]), *(stored[name] for name in _ARRAYS))
        except (OSError, KeyError, ValueError, BadZipFile) as error:
            raise BoneageError.of("cases.unreadable", file=file, reason=error) from error
        if found.backbone_sha256 != backbone_sha256:
            raise BoneageError.of("cases.other_backbone", file=file)
        return found


_ARRAYS = ("ids", "sexes", "ages_months", "mean", "axes", "codes")


def _axes(features: NDArray[np.float32], dimensions: int) -> NDArray[np.float16]:
    """Return the first principal axes of standardised features, divided by the features' spread, float16 (D, K)."""
    spread = features.std(axis=0) + np.float32(1e-3)
    standard = (features - features.mean(axis=0)) / spread
    _, vectors = np.linalg.eigh(standard.T @ standard / max(1, len(standard)))
    first = vectors[:, ::-1][:, :dimensions]
    return np.asarray(first / spread[:, None], np.float16)
