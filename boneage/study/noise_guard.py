"""Fit the guard against noise: how noisy clean films are, and how much wider intervals of noisy ones must be.

Only training images take part that neither the backbone nor the heads that estimate them had seen: the limit is a
quantile of their own noise, and the widening is conformal, from errors on copies of them to which noise was added, as
far as the gate lets them pass.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from boneage.cascade.cascade import Cascade
from boneage.cascade.intervals import conformal_quantile
from boneage.cascade.noise_guard import QUANTILE, NoiseGuard, noise_level
from boneage.config import PreprocessConfig
from boneage.data.annotations import read_row
from boneage.evaluation.stress import DISTURBANCES, add_noise
from boneage.gate.gate import RefusedError
from boneage.paths import workspace
from boneage.preprocess.pipeline import prepare_table
from boneage.study.materials import Materials, sample
from boneage.study.out_of_fold import Learnt

FILMS = 120
FEWEST = 20


def film_levels(table: pd.DataFrame, config: PreprocessConfig, side: int) -> list[float]:
    """Measure the noise of every film of a table in grey levels; films prepared before come from the cache."""
    prepared = prepare_table(table, config, workspace() / "prepared")
    return [noise_level(prepared.load(str(name)), side) for name in table["id"]]


def fit_noise_guard(materials: Materials, cascade: Cascade, learnt: Learnt) -> NoiseGuard | None:
    """Fit the guard against noise; None without enough images out of fold.

    Args:
        materials: of the study.
        cascade: assembled, with its intervals.
        learnt: fitted out of fold, for estimates by heads that had not seen an image.
    """
    held = learnt.held
    if len(held.ids) < FEWEST:
        return None
    table = materials.part.table.loc[list(held.ids)].rename_axis("id").reset_index()
    side = materials.backbone.input_size
    levels = film_levels(table, materials.config.preprocess, side)
    guard = NoiseGuard(side, float(np.quantile(levels, QUANTILE)), films=len(levels))
    ratios = _ratios(sample(table, FILMS), cascade, learnt, guard)
    wide = [conformal_quantile(np.array(some), materials.config.cascade.coverage) for some in ratios.values()]
    # The worst strength counts. Without enough noisy copies the guard warns and widens nothing: a factor out of the air
    # would make no interval.
    widening = max([1.0, *(factor for factor in wide if factor is not None)])
    return replace(guard, widening=widening, copies=sum(map(len, ratios.values())))


def _ratios(films: pd.DataFrame, cascade: Cascade, learnt: Learnt, guard: NoiseGuard) -> dict[float, list[float]]:
    """Return error over half width of noisy copies beyond the limit, per strength of the stress test."""
    place = {name: number for number, name in enumerate(learnt.held.ids)}
    found: dict[float, list[float]] = {strength: [] for strength in DISTURBANCES["noise"].strengths}
    for _, row in films.iterrows():
        film = read_row(row)
        for strength, ratios in found.items():
            try:
                prepared = cascade.prepare(add_noise(film, strength))
            except RefusedError:
                # What the gate refuses is not estimated, or with its own warning.
                continue
            if guard.noisy(noise_level(prepared.image, guard.side)):
                features, true = cascade.features(prepared), float(row["age_months"])
                ratios += _ratio(features, place[row["id"]], true, cascade, learnt)
    return found


def _ratio(features: np.ndarray, row: int, true_months: float, cascade: Cascade, learnt: Learnt) -> list[float]:
    """Return an image's error by the heads of its fold, in half widths; nothing where its interval is not known."""
    sexes, fold = [learnt.held.sexes[row]], learnt.held.fold[[row]]
    routed = learnt.out_of_fold(features, sexes, fold)
    age, surest = float(routed.ages[0]), float(routed.probabilities[0].max())
    half = cascade.intervals.half_width(sexes[0], age, surest) if cascade.intervals else None
    return [abs(age - true_months) / half] if half else []
