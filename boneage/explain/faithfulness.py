"""Measure how far a heat map can be believed: does deleting its hottest regions move the estimate more than others?

Measured over many films with paired intervals, against two sorts of random choice: regions, as connected as a map's own
hot places are, and single tiles strewn over the hand, which harm a film more because they leave no part of it whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from boneage.cascade.cascade import Cascade
from boneage.explain.heatmaps import (
    Heat,
    ages_of,
    chosen_tiles,
    delete,
    hand_tiles,
    heat_map,
    occlusion_map,
    smoothed,
    tile_means,
)
from boneage.groups import Sex
from boneage.notices import note
from boneage.preprocess.preparer import Prepared

TILES = 20
_RESAMPLES = 4000
MapMaker = Callable[[Cascade, Prepared, Sex], Heat]
MAPS: Mapping[str, MapMaker] = {"grad-cam": heat_map, "occlusion": occlusion_map}


@dataclass(frozen=True)
class Deletion:
    """Settings of a faithfulness test: share of the hand's tiles, number of random choices of either sort, seed.

    Without `strewn` only regions are drawn, the very ones that are drawn with it, in half the passes of the backbone.
    """

    share: float = 0.15
    draws: int = 8
    seed: int = 0
    strewn: bool = True


@dataclass(frozen=True)
class Faithfulness:
    """Effect on the estimate of deleting the hottest tiles, against deleting random tiles of the hand.

    Attributes:
        hottest_months: absolute change of the age when the hottest tiles are smoothed away.
        random_months: mean absolute change over random connected regions of as many tiles of the hand.
        strewn_months: the same over as many single tiles strewn over the hand; None where it was not asked for.
        share: how much of the hand's tiles was deleted.
        draws: how many random choices were made.
    """

    hottest_months: float
    random_months: float
    strewn_months: float | None
    share: float
    draws: int

    @property
    def holds(self) -> bool:
        """Tell whether the hottest tiles matter more than random ones."""
        return self.hottest_months > self.random_months

    def sentence(self) -> str:
        """Say in one line how far the map can be believed on this film."""
        moved = {"hottest": self.hottest_months, "random": self.random_months}
        line = note("heat.moves", share=self.share, draws=self.draws, **moved)
        return line if self.holds else note("heat.chance", moves=line)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, with the verdict and the sentence."""
        return {**asdict(self), "holds": self.holds, "sentence": self.sentence()}


def faithfulness(
    cascade: Cascade,
    prepared: Prepared,
    sex: Sex | str,
    heat: Heat,
    age_range: str | None = None,
    deletion: Deletion = Deletion(),
) -> Faithfulness:
    """Compare deleting the hottest tiles of the hand with deleting random regions and random tiles.

    Args:
        cascade: the cascade.
        prepared: the prepared film.
        sex: the patient's sex.
        heat: float32 (S, S), 0-1.
        age_range: the range that was given, None where the classifier chose.
        deletion: how much is deleted, and how often at random.
    """
    sex, image, smooth = Sex.parse(sex), prepared.image, smoothed(prepared.image)
    hand = np.flatnonzero(hand_tiles(image, TILES))
    draws, count = deletion.draws, max(1, round(deletion.share * len(hand)))
    rng = np.random.default_rng(deletion.seed)
    choices = [_top(tile_means(heat, TILES), hand, count)]
    choices += [_top(_smooth_noise(rng), hand, count) for _ in range(draws)]
    if deletion.strewn:
        choices += [rng.choice(hand, min(count, len(hand)), replace=False) for _ in range(draws)]
    images = np.stack([image, *(delete(image, chosen_tiles(TILES, tiles), smooth) for tiles in choices)])
    ages = ages_of(cascade, cascade.pooled(images), sex, age_range)
    hottest, *others = np.abs(ages[1:] - ages[0])
    strewn = float(np.mean(others[draws:])) if deletion.strewn else None
    return Faithfulness(float(hottest), float(np.mean(others[:draws])), strewn, deletion.share, draws)


def measure_faithfulness(
    cascade: Cascade,
    films: Iterable[tuple[Prepared, str]],
    maps: Mapping[str, MapMaker] = MAPS,
    progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Measure every map on every film.

    Args:
        cascade: the cascade.
        films: prepared films with the patients' sexes.
        maps: what to measure, by name.
        progress: called with the number of films done.

    Returns:
        One row per film and map: film, map, hottest_months, random_months, strewn_months.
    """
    rows = []
    for number, (prepared, sex) in enumerate(films):
        for name, make in maps.items():
            heat = make(cascade, prepared, Sex.parse(sex))
            found = faithfulness(cascade, prepared, sex, heat, deletion=Deletion(seed=number))
            rows.append((number, name, found.hottest_months, found.random_months, found.strewn_months))
        if progress:
            progress(number + 1)
    return pd.DataFrame(rows, columns=["film", "map", "hottest_months", "random_months", "strewn_months"])


def faithfulness_summary(frame: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return per map the mean changes and, against either sort of choice, the paired difference with its 95 % interval.

    `holds` is the share of films on which the hottest tiles moved the estimate more than random regions did.
    """
    rows = []
    for name, part in frame.groupby("map", sort=False):
        gain = (part["hottest_months"] - part["random_months"]).to_numpy(float)
        strict = (part["hottest_months"] - part["strewn_months"]).to_numpy(float)
        rows.append(
            {
                "map": name,
                "films": len(part),
                **{column: float(part[column].mean()) for column in part.columns if column.endswith("_months")},
                "over_random": float(gain.mean()),
                "interval": _interval(gain, seed),
                "over_strewn": float(strict.mean()),
                "strewn_interval": _interval(strict, seed),
                "holds": float((gain > 0).mean()),
            }
        )
    return pd.DataFrame(rows)


def _interval(values: NDArray[np.float64], seed: int) -> str:
    picks = np.random.default_rng(seed).integers(0, len(values), (_RESAMPLES, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), (2.5, 97.5))
    return f"{low:+.1f} to {high:+.1f}"


def _top(heat: NDArray[np.float32], hand: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the hottest tiles of the hand."""
    return hand[np.argsort(heat.ravel()[hand], kind="stable")[::-1][:count]]


def _smooth_noise(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a smooth random map of tiles: its hottest places hang together as a heat map's do."""
    noise = rng.standard_normal((TILES, TILES)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), sigmaX=1.5), np.float32)
