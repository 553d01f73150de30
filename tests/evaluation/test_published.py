from __future__ import annotations

import pytest

from boneage.evaluation.published import PAPER, PUBLISHED
from boneage.groups import REGRESSORS


def test_every_regressor_of_the_paper_has_its_figure():
    names = {figure.metric for figure in PAPER}
    assert {f"expert_mae_months_{key.sex}_{key.group}" for key in REGRESSORS} <= names


@pytest.mark.parametrize("figure", PUBLISHED, ids=lambda figure: f"{figure.metric}-{figure.value}")
def test_units_are_plausible(figure):
    assert 1 < figure.value < 30 if "mae" in figure.metric else 0 < figure.value < 1
