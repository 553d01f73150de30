"""Facts about what the page shows of a refused film: its field, what was taken for the hand, and the hand's axis."""

from __future__ import annotations

import numpy as np

from boneage.gate.gate import Verdict
from boneage.notices import refusal
from boneage.preprocess.field import Field
from boneage.ui.estimate.case import Refusal
from boneage.ui.estimate.pictures import decode_picture, refused_pictures
from boneage.ui.estimate.steps import steps_html

REASON = refusal("gate.cut_off", sure=0.9)


def test_a_refused_film_shows_its_field_the_mask_and_the_axis():
    film, mask = np.full((300, 200), 90, np.uint8), np.zeros((240, 160), np.uint8)
    mask[20:220, 60:100] = 255
    corners = np.array([[20, 30], [180, 30], [180, 270], [20, 270]], np.float32)
    verdict = Verdict(film[30:270, 20:180], (REASON,), (), "cut_off", 0.1, mask, Field(corners, 0.0))
    original, seen = map(decode_picture, refused_pictures(film, verdict))
    assert original.shape[:2] == (300, 200) and original[30, 100].min() > 200 and original[150, 100].max() < 110
    outside, axis = seen[120, 20].astype(int), seen[150, 80].astype(int)
    assert outside.max() < 45 and axis[0] > 180 and axis[0] - axis[2] > 80
    shown = steps_html(Refusal((REASON,), refused_pictures(film, verdict)), "en")
    assert 'data-step="step_original"' in shown and 'data-step="step_refused"' in shown


def test_a_film_that_plain_measures_refuse_shows_itself_alone():
    film = np.full((60, 50), 7, np.uint8)
    verdict = Verdict(film, (refusal("gate.blank", span=0.0),), (), "blank", 0.0)
    assert [one.key for one in refused_pictures(film, verdict)] == ["step_original"]
    assert steps_html(Refusal((REASON,)), "en") == ""
