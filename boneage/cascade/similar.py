"""The training cases that look most like a film to the backbone: a check for the reader, not evidence of its own.

The index holds features and ages only, no image; it is small (a float16 row per case) and optional.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from boneage.errors import BoneageError
from boneage.groups import Sex


@dataclass(frozen=True)
class SimilarCase:
    """A training case near a film: its id, its reader's age in months, and 0 (unlike) to 1 (the same) likeness."""

    id: str
    age_months: float
    likeness: float


@dataclass(frozen=True)
class CaseIndex:
    """Features of labelled cases.

    Attributes:
        backbone_sha256: the backbone that the features come from.
        ids: N names.
        sexes: N sexes.
        ages_months: float32 (N,).
        features: float16 (N, D).
    """

    backbone_sha256: str
    ids: NDArray[np.str_]
    sexes: NDArray[np.str_]
    ages_months: NDArray[np.float32]
    features: NDArray[np.float16]

    @classmethod
    def of(
        cls, backbone_sha256: str, ids: Sequence[str], sexes: Sequence[str], ages: np.ndarray, features: np.ndarray
    ) -> CaseIndex:
        """Make an index from a study's training part."""
        names = np.array([str(sex) for sex in sexes])
        return cls(backbone_sha256, np.array(ids), names, np.asarray(ages, np.float32), features.astype(np.float16))

    def nearest(self, features: np.ndarray, sex: Sex | str, count: int = 5) -> list[SimilarCase]:
        """Return the cases of a sex nearest to a film's features float32 (D,), by standardised features' cosine."""
        rows = np.flatnonzero(self.sexes == str(Sex.parse(sex)))
        if rows.size == 0:
            return []
        known = self.features[rows].astype(np.float32)
        mean, spread = known.mean(axis=0), known.std(axis=0) + 1e-3
        known, one = (known - mean) / spread, (np.asarray(features, np.float32).ravel() - mean) / spread
        likeness = known @ one / (np.linalg.norm(known, axis=1) * np.linalg.norm(one) + 1e-9)
        best = np.argsort(likeness)[::-1][:count]
        return [
            SimilarCase(str(self.ids[rows[i]]), float(self.ages_months[rows[i]]), max(0.0, float(likeness[i])))
            for i in best
        ]

    def save(self, file: Path) -> Path:
        """Write the index as one file, without pickle."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as stream:
            np.savez_compressed(
                stream,
                backbone_sha256=np.array(self.backbone_sha256),
                ids=self.ids,
                sexes=self.sexes,
                ages_months=self.ages_months,
                features=self.features,
            )
        return file

    @classmethod
    def load(cls, file: Path, backbone_sha256: str) -> CaseIndex:
        """Read an index.

        Raises:
            BoneageError: when it is missing, damaged, or of another backbone.
        """
        try:
            with np.load(file, allow_pickle=False) as stored:
                found = cls(
                    str(stored["backbone_sha256"]),
                    stored["ids"],
                    stored["sexes"],
                    stored["ages_months"],
                    stored["features"],
                )
        except (OSError, KeyError, ValueError, BadZipFile) as error:
            raise BoneageError(f"{file} is no index of cases ({error}): make one with `boneage cases`") from error
        if found.backbone_sha256 != backbone_sha256:
            raise BoneageError(f"{file} was made with another backbone than this cascade's: make it anew")
        return found
