"""The radiographs and tables that the shipped networks are trained on, read in place from the zips of a data folder.

Which ids may be trained on is decided here and nowhere else: `validation_ids.csv` is never trained on, by anything, and
a further stratified tenth (`unseen`) is kept away from the backbone. Children of rare ages are shown oftener in a pass,
so that estimates are drawn less to the middle.
"""

from __future__ import annotations

import csv
import hashlib
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.data import transforms
from boneage.groups import group_of

UNSEEN_SEED = 20170
UNSEEN_PART = 0.1
SMALL_ZIP, LARGE_ZIP = "rsna_299px.zip", "rsna_1024px.zip"
USUAL_ASPECT = 0.8
KERNEL_MONTHS = 9.0
LIMITS = (0.5, 4.0)


@dataclass(frozen=True)
class Child:
    """One row of the challenge's table: `age_months` 0-228, `male` as 0 or 1."""

    id: str
    age_months: float
    male: int

    @property
    def stratum(self) -> tuple[int, int]:
        """Sex and age group, by which every split is stratified."""
        return self.male, group_of(self.age_months)


@dataclass(frozen=True)
class Film:
    """One stored image of a child: `large` is the 1024 px copy, otherwise the stretched 299 px one."""

    id: str
    large: bool


def children(data: Path) -> dict[str, Child]:
    """Read the challenge's training table as `{id: Child}`."""
    rows = _rows(data / "boneage-training-dataset.csv")
    return {r["id"]: Child(r["id"], float(r["boneage"]), int(r["male"] == "True")) for r in rows}


def validation_ids(data: Path) -> frozenset[str]:
    """Read the ids that nothing here may be trained, tuned, pretrained or calibrated on."""
    return frozenset(row["id"] for row in _rows(data / "validation_ids.csv"))


@lru_cache(maxsize=4)
def image_sizes(data: Path) -> dict[str, tuple[int, int]]:
    """Read the original `(width, height)` in pixels of each id; a few ids have none."""
    return {r["id"]: (int(r["width"]), int(r["height"])) for r in _rows(data / "image_sizes.csv")}


def unseen_ids(table: dict[str, Child], excluded: Iterable[str]) -> frozenset[str]:
    """Draw the tenth of the training ids, by sex and age group, that the backbone never sees.

    Args:
        table: All children.
        excluded: The validation ids, which are not drawn from.
    """
    rng = np.random.default_rng(UNSEEN_SEED)
    allowed = sorted(set(table) - set(excluded), key=int)
    strata: dict[tuple[int, int], list[str]] = {}
    for name in allowed:
        strata.setdefault(table[name].stratum, []).append(name)
    drawn: list[str] = []
    for key in sorted(strata):
        drawn += list(rng.choice(strata[key], round(UNSEEN_PART * len(strata[key])), replace=False))
    return frozenset(str(name) for name in drawn)


def ids_sha256(ids: Iterable[str]) -> str:
    """Return the sha256 of a list of ids, one a line, numbers in their order: names a set in a training record."""
    return hashlib.sha256("\n".join(sorted(ids, key=lambda name: (len(name), name))).encode()).hexdigest()


def large_ids(data: Path) -> list[str]:
    """List the ids that have a 1024 px image, in numeric order."""
    names = _archive(data / LARGE_ZIP).namelist()
    return sorted((Path(n).stem for n in names if n.endswith(".jpg")), key=int)


def read_film(data: Path, film: Film, sizes: dict[str, tuple[int, int]]) -> NDArray[np.uint8]:
    """Read one film as grey uint8 (H, W) in its true aspect.

    A large film comes as it is; a 299 px one gets the aspect of the original back by the very function that data sets
    are read with (ids without a known size get the usual aspect).

    Raises:
        ValueError: when the stored bytes are no image.
    """
    if film.large:
        return _decode(_archive(data / LARGE_ZIP), f"rsna_1024px/{film.id}.jpg")
    stretched = _decode(_archive(data / SMALL_ZIP), f"rsna_299px/{film.id}.webp")
    return transforms.unstretch(stretched, *sizes.get(film.id, (USUAL_ASPECT, 1.0)))


def films_of(ids: Sequence[str], large: frozenset[str]) -> list[Film]:
    """List every stored image of the ids: the small one of each, and the large one where there is one."""
    return [Film(i, False) for i in ids] + [Film(i, True) for i in ids if i in large]


def weights_by_age(kids: Sequence[Child], power: float) -> NDArray[np.float64]:
    """Weigh each child by how rare its age is among those of its sex.

    Args:
        kids: The children to train on.
        power: 0 weighs all alike, 1 gives every age the same share of a pass.

    Returns:
        float64 (N,) with mean about 1, within `LIMITS`.
    """
    ages = np.array([kid.age_months for kid in kids])
    males = np.array([kid.male for kid in kids])
    weights = np.ones(len(kids))
    for sex in (0, 1):
        rows = males == sex
        if rows.any():
            density = np.array([_near(ages[rows], age) for age in ages[rows]])
            weights[rows] = (density / density.mean()) ** -power
    for _ in range(4):  # clipping moves the mean, and the mean what is clipped
        weights = np.clip(weights / weights.mean(), *LIMITS)
    return weights


def drawn_places(weights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw the children of one pass: each comes as often as its weight says, the fraction by chance."""
    copies = np.floor(weights + rng.random(len(weights))).astype(np.int64)
    return np.repeat(np.arange(len(weights)), copies)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@lru_cache(maxsize=4)
def _archive(path: Path) -> zipfile.ZipFile:
    """Open a zip once per process: reading its directory takes longer than reading an image."""
    return zipfile.ZipFile(path)


def _decode(archive: zipfile.ZipFile, name: str) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise ValueError(f"{name} in {archive.filename} should be an image, but could not be decoded")
    return np.asarray(image, dtype=np.uint8)


def _near(ages: NDArray[np.float64], age: float) -> float:
    """Return the density of ages around one, the ends (0 and 228 months) mirrored so that they do not look rarer."""
    mirrored = np.concatenate([ages, -ages, 2 * 228 - ages])
    return float(np.exp(-(((mirrored - age) / KERNEL_MONTHS) ** 2) / 2).sum())
