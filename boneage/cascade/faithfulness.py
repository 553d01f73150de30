"""How far a heat map can be believed: whether deleting its hottest regions moves the estimate more than random ones.

Measured over many films with a paired interval; which map is shown first was chosen by it, on training films.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from boneage.cascade.cascade import Cascade
from boneage.cascade.explain import Heat, ages_of, delete, hand_tiles, heat_map, occlusion_map, tile_means
from boneage.groups import Sex
from boneage.preprocess.preparer import Prepared

TILES = 20
_RESAMPLES = 4000
MapMaker = Callable[[Cascade, Prepared, Sex], Heat]
MAPS: Mapping[str, MapMaker] = {"grad-cam": heat_map, "occlusion": occlusion_map}


@dataclass(frozen=True)
class Faithfulness:
    """What deleting the hottest tiles does to the estimate, against deleting random tiles of the hand.

    Attributes:
        hottest_months: absolute change of the age when the hottest tiles are smoothed away.
        random_months: mean absolute change over random choices of as many tiles of the hand.
        share: how much of the hand's tiles was deleted.
        draws: how many random choices were made.
    """

    hottest_months: float
    random_months: float
    share: float
    draws: int

    @property
    def holds(self) -> bool:
        """Tell whether the hottest tiles matter more than random ones."""
        return self.hottest_months > self.random_months


def faithfulness(
    cascade: Cascade,
    prepared: Prepared,
    sex: Sex | str,
    heat: Heat,
    *,
    share: float = 0.15,
    draws: int = 8,
    seed: int = 0,
) -> Faithfulness:
    """Compare deleting the hottest tiles of the hand with deleting random ones.

    Args:
        cascade: the cascade.
        prepared: the prepared film.
        sex: the patient's sex.
        heat: float32 (S, S), 0-1.
        share: share of the hand's tiles to delete.
        draws: random choices to average over.
        seed: of the random choices.
    """
    sex, image = Sex.parse(sex), prepared.image
    hand = np.flatnonzero(hand_tiles(image, TILES))
    count = max(1, round(share * len(hand)))
    hottest = hand[np.argsort(tile_means(heat, TILES).ravel()[hand], kind="stable")[::-1][:count]]
    rng = np.random.default_rng(seed)
    choices = [hottest, *(rng.choice(hand, min(count, len(hand)), replace=False) for _ in range(draws))]
    images = np.stack([image, *(delete(image, _chosen(tiles)) for tiles in choices)])
    ages = ages_of(cascade, cascade.backbone.pooled(images), sex)
    moved = np.abs(ages[1:] - ages[0])
    return Faithfulness(float(moved[0]), float(moved[1:].mean()) if draws else 0.0, share, draws)


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
        One row per film and map: film, map, hottest_months, random_months.
    """
    rows = []
    for number, (prepared, sex) in enumerate(films):
        for name, make in maps.items():
            heat = make(cascade, prepared, Sex.parse(sex))
            found = faithfulness(cascade, prepared, sex, heat, seed=number)
            rows.append((number, name, found.hottest_months, found.random_months))
        if progress:
            progress(number + 1)
    return pd.DataFrame(rows, columns=["film", "map", "hottest_months", "random_months"])


def faithfulness_summary(frame: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return per map the two mean changes, their paired difference with its 95 % bootstrap interval, and the share.

    `holds` is the share of films on which the hottest tiles moved the estimate more than random ones did.
    """
    rows = []
    for name, part in frame.groupby("map", sort=False):
        gain = (part["hottest_months"] - part["random_months"]).to_numpy(float)
        low, high = _interval(gain, seed)
        rows.append(
            {
                "map": name,
                "films": len(part),
                "hottest_months": float(part["hottest_months"].mean()),
                "random_months": float(part["random_months"].mean()),
                "difference_months": float(gain.mean()),
                "low_months": low,
                "high_months": high,
                "holds": float((gain > 0).mean()),
            }
        )
    return pd.DataFrame(rows)


def _interval(values: NDArray[np.float64], seed: int) -> tuple[float, float]:
    picks = np.random.default_rng(seed).integers(0, len(values), (_RESAMPLES, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def _chosen(tiles: NDArray[np.int64]) -> NDArray[np.bool_]:
    chosen = np.zeros(TILES * TILES, bool)
    chosen[tiles] = True
    return chosen.reshape(TILES, TILES)
