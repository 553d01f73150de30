"""What the gate refuses, the served model refuses, unless a row asks for it anyway."""

import base64
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from boneage.cascade.gate import Verdict
from boneage.tracking.serving import estimate_rows


class Refuser:
    def inspect(self, film):
        return Verdict(film, ("the film shows a foot",), (), "not_hand", 0.01)


@pytest.fixture
def guarded(cascade):
    cascade.config = replace(cascade.config, cascade=replace(cascade.config.cascade, gate=True))
    cascade.gate = Refuser()
    return cascade


@pytest.fixture
def row():
    film = np.random.default_rng(0).integers(0, 255, (40, 32), dtype=np.uint8)
    return {"image": base64.b64encode(cv2.imencode(".png", film)[1].tobytes()).decode(), "sex": "female"}


@pytest.mark.parametrize("extra", [{}, {"anyway": False}, {"anyway": None}, {"anyway": "true"}, {"anyway": 1}])
def test_a_refused_film_gets_no_answer(guarded, row, extra):
    with pytest.raises(MlflowException, match="row 0.*shows a foot"):
        estimate_rows(guarded, pd.DataFrame([{**row, **extra}], dtype=object))


def test_anyway_gets_an_answer_with_the_reason_as_a_warning(guarded, row):
    answer = estimate_rows(guarded, pd.DataFrame([{**row, "anyway": True}]))
    assert any("shows a foot" in warning for warning in answer["warnings"][0])
    assert answer["bone_age_months"][0] is not None
