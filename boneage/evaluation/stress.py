"""Measure how estimates bear disturbed films: turned, mirrored, over-exposed, inverted, cropped, noisy, marked.

Every film is estimated as it is and under each disturbance at rising strengths. Two numbers matter: how far one
moves from the undisturbed one, and in how many films it moves by more than 12 months, which would change a report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from boneage.cascade.cascade import Cascade
from boneage.cascade.estimate import Estimate
from boneage.data.annotations import read_row
from boneage.data.transforms import shrink
from boneage.errors import BoneageError

Film = NDArray[np.uint8]
Progress = Callable[[int, int], None]
SIGNIFICANT_MONTHS = 12.0


@dataclass(frozen=True)
class Disturbance:
    """One way of disturbing a film, at rising strengths.

    Attributes:
        change: (film, strength) -> film.
        strengths: rising; the undisturbed film is not among them.
        unit: of the strengths.
    """

    change: Callable[[Film, float], Film]
    strengths: tuple[float, ...]
    unit: str


def rotate(film: Film, degrees: float) -> Film:
    """Turn a film counter-clockwise on black."""
    height, width = film.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return np.asarray(cv2.warpAffine(film, matrix, (width, height)), np.uint8)


def brighten(film: Film, levels: float) -> Film:
    """Add grey levels."""
    return np.clip(film.astype(np.float32) + levels, 0, 255).astype(np.uint8)


def flatten(film: Film, factor: float) -> Film:
    """Reduce (below 1) or raise (above 1) the contrast about the film's mean."""
    mean = float(film.mean())
    return np.clip((film.astype(np.float32) - mean) * factor + mean, 0, 255).astype(np.uint8)


def crop_edges(film: Film, share: float) -> Film:
    """Cut a share of height and width off every edge."""
    rows, columns = round(film.shape[0] * share), round(film.shape[1] * share)
    return np.ascontiguousarray(film[rows : film.shape[0] - rows, columns : film.shape[1] - columns])


def add_noise(film: Film, sd: float) -> Film:
    """Add Gaussian noise of so many grey levels; the same film always gets the same noise."""
    noise = np.random.default_rng(int(film.sum(dtype=np.int64)) % 2**32).normal(0, sd, film.shape)
    return np.clip(film + noise, 0, 255).astype(np.uint8)


def add_marker(film: Film, share: float) -> Film:
    """Put a white side marker, so large relative to the width, into the upper left corner."""
    marked, size = film.copy(), max(4, round(film.shape[1] * share))
    cv2.rectangle(marked, (size // 4, size // 4), (size // 4 + size, size // 4 + size), 255, -1)
    cv2.putText(marked, "L", (size // 3, size), cv2.FONT_HERSHEY_SIMPLEX, size / 30, 0, max(1, size // 12))
    return marked


DISTURBANCES: dict[str, Disturbance] = {
    "rotation": Disturbance(rotate, (-30, -15, -5, 5, 15, 30), "degrees"),
    "flip": Disturbance(lambda film, _: np.ascontiguousarray(film[:, ::-1]), (1,), "left and right exchanged"),
    "brightness": Disturbance(brighten, (-60, -30, 30, 60), "grey levels"),
    "contrast": Disturbance(flatten, (0.4, 0.7, 1.5), "factor"),
    "inversion": Disturbance(lambda film, _: np.asarray(255 - film, np.uint8), (1,), "bones dark"),
    "resolution": Disturbance(shrink, (400, 200, 100), "pixels"),
    "crop": Disturbance(crop_edges, (0.03, 0.06, 0.12), "share of each edge"),
    "noise": Disturbance(add_noise, (5, 15, 30), "grey levels"),
    "marker": Disturbance(add_marker, (0.1, 0.2), "share of the width"),
}


def stress(
    cascade: Cascade,
    table: pd.DataFrame,
    names: Sequence[str] = tuple(DISTURBANCES),
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Estimate every film of a table undisturbed and disturbed.

    Args:
        cascade: the cascade; where its gate is on, a refusal is counted as such and moves nothing.
        table: rows of an annotation table.
        names: of `DISTURBANCES`.
        progress: called with (done, total) films.

    Returns:
        One row per film, disturbance and strength: id, disturbance, strength, true_months, plain_months,
        estimated_months (NaN where refused), warned (whether the estimate says more than the undisturbed one).

    Raises:
        BoneageError: when a name is unknown or no film can be estimated undisturbed.
    """
    unknown = [name for name in names if name not in DISTURBANCES]
    if unknown:
        raise BoneageError.of("stress.disturbance", known=", ".join(DISTURBANCES), given=unknown[0])
    rows: list[dict[str, object]] = []
    for done, (_, row) in enumerate(table.iterrows(), start=1):
        rows += _of_film(cascade, row, names)
        if progress:
            progress(done, len(table))
    if not rows:
        raise BoneageError.of("stress.nothing", count=len(table))
    return pd.DataFrame(rows).astype({"estimated_months": float})


def stress_summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return per disturbance and strength: films, refused, error, mean shift, and the share moved by over 12 months.

    `moved_unwarned` is the share that moved so far without a word that the undisturbed film did not get.
    """
    rows = []
    for (name, strength), part in frame.groupby(["disturbance", "strength"], sort=False):
        known = part.dropna(subset=["estimated_months"])
        moved = known["estimated_months"] - known["plain_months"]
        rows.append(
            {
                "disturbance": name,
                "strength": strength,
                "unit": DISTURBANCES[str(name)].unit,
                "films": len(part),
                "refused": float(1 - len(known) / len(part)),
                "mae_months": float((known["estimated_months"] - known["true_months"]).abs().mean()),
                "plain_mae_months": float((known["plain_months"] - known["true_months"]).abs().mean()),
                "mean_shift_months": float(moved.mean()),
                "mean_move_months": float(moved.abs().mean()),
                "moved_over_12_months": float((moved.abs() > SIGNIFICANT_MONTHS).mean()),
                "warned": float(known["warned"].mean()),
                "moved_unwarned": float(((moved.abs() > SIGNIFICANT_MONTHS) & ~known["warned"]).mean()),
            }
        )
    return pd.DataFrame(rows)


def stress_figures(summary: pd.DataFrame) -> Mapping[str, float]:
    """Return the figures of a version's card: per disturbance the largest share moved by over 12 months."""
    worst = summary.groupby("disturbance", sort=False)["moved_over_12_months"].max()
    return {f"stress_{name}_moved_over_12_months": float(value) for name, value in worst.items()}


def regressions(before: Mapping[str, float], after: Mapping[str, float], allowed: float = 0.1) -> list[str]:
    """Return a sentence for each disturbance that a new version bears worse than the old one by more than allowed.

    Args:
        before: `stress_figures` of the version in use.
        after: of the new one, on the same films.
        allowed: difference in the share of films moved by over 12 months; of 40 films four may differ.
    """
    return [
        f"{name}: {after[name]:.1%} of the films, {value:.1%} before"
        for name, value in before.items()
        if name in after and after[name] > value + allowed
    ]


def _of_film(cascade: Cascade, row: pd.Series, names: Sequence[str]) -> list[dict[str, object]]:
    """Estimate one film under every disturbance; nothing where it is refused as it is."""
    film, sex = read_row(row), str(row["sex"])
    plain = _estimated(cascade, film, sex)
    if plain is None:
        return []
    rows: list[dict[str, object]] = []
    for name in names:
        for strength in DISTURBANCES[name].strengths:
            found = _estimated(cascade, DISTURBANCES[name].change(film, strength), sex)
            rows.append(
                {
                    "id": row["id"],
                    "true_months": float(row["age_months"]),
                    "disturbance": name,
                    "strength": float(strength),
                    "plain_months": plain.bone_age_months,
                    "estimated_months": None if found is None else found.bone_age_months,
                    "warned": found is not None and not set(found.warnings) <= set(plain.warnings),
                }
            )
    return rows


def _estimated(cascade: Cascade, film: Film, sex: str) -> Estimate | None:
    """Return the estimate, or None where the film is refused."""
    try:
        return cascade.estimate(film, sex)
    except BoneageError:
        return None
