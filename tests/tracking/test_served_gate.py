"""What the gate refuses, the served model refuses, unless a row asks for it anyway; reasons come where asked for."""

import base64
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from boneage.cascade.estimate import REASON_FIELDS
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


def test_reasons_come_where_a_row_asks_for_them(cascade, row):
    plain = estimate_rows(cascade, pd.DataFrame([row]))
    assert "experts" not in plain
    asked = estimate_rows(cascade, pd.DataFrame([{**row, "reasons": True}, {**row, "reasons": False}]))
    assert asked["bone_age_months"].tolist() == [plain["bone_age_months"][0]] * 2
    assert [expert["range"] for expert in asked["experts"][0]] == ["0-57", "58-114", "115-171", "172-228"]
    assert asked["similar_cases"][0] == [] and asked["experts"][1] is None


def test_the_signature_names_the_reasons():
    from boneage.tracking.packaging import _cascade_signature

    signature = _cascade_signature()
    assert "reasons" in signature.inputs.input_names()
    assert set(REASON_FIELDS) <= set(signature.outputs.input_names())
