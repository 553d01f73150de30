"""The stress test that goes into a new version's card: some validation films, every disturbance."""

from __future__ import annotations

from typing import Any

from boneage.cascade.cascade import Cascade
from boneage.evaluation.stress import DISTURBANCES, stress, stress_figures, stress_summary
from boneage.study.materials import Materials, Stage, silent
from boneage.study.sampling import sample


def card_stress(cascade: Cascade, materials: Materials, stage: Stage = silent) -> dict[str, Any]:
    """Estimate validation films undisturbed and disturbed, as many as `study.stress_films` says.

    Returns:
        `stress`: `films` and `figures` (`boneage.evaluation.stress.stress_figures`); empty where no film is asked for.
    """
    count = materials.config.study.stress_films
    if count < 1:
        return {}
    films = sample(materials.part.table.loc[list(materials.splits.validation)].reset_index(), count)
    summary = stress_summary(stress(cascade, films, tuple(DISTURBANCES), stage("stress")))
    figures = {name: round(value, 4) for name, value in stress_figures(summary).items()}
    return {"stress": {"films": len(films), "figures": figures}}
