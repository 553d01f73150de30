from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from boneage.cascade.cascade import Cascade, contradictions
from boneage.cascade.estimate import EstimateError
from boneage.cascade.intervals import Intervals
from boneage.data.radiograph import Radiograph
from boneage.errors import BoneageError
from boneage.groups import ALL_MODELS, Sex, Task


def film(age: int, shape=(60, 40)) -> np.ndarray:
    """A film whose mean grey level, and so its fake bone age, is `age`; half its rows one below, half one above."""
    pixels = np.full(shape, age, np.uint8)
    pixels[: shape[0] // 2] -= 1
    pixels[shape[0] // 2 :] += 1
    for step in range(1, 5):  # a film has more than a few grey levels
        pixels[0, step] -= step
        pixels[-1, step] += step
    return pixels


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_path_bytes_and_pixels_give_the_same_estimate(cascade, tmp_path):
    pixels = film(100)
    path = tmp_path / "hand.png"
    path.write_bytes(png(pixels))
    estimates = [cascade.estimate(source, "female") for source in (path, str(path), png(pixels), pixels)]
    assert all(each == estimates[0] for each in estimates)
    assert estimates[0].bone_age_months == pytest.approx(100, abs=0.5)
    assert (estimates[0].model, estimates[0].version) == ("fake", "7")


def test_cached_features_give_the_same_estimate_without_a_pass(cascade):
    prepared = cascade.prepare(film(100))
    features = cascade.features(prepared)
    before = cascade.backbone.passes
    assert cascade.estimate_features(features, ["male"]) == [cascade.estimate_prepared(prepared, "male")]
    assert cascade.backbone.passes == before + 1


def test_one_estimate_is_one_pass_and_two_heads(cascade, heads):
    cascade.estimate(film(100), "female")
    assert cascade.backbone.passes == 1
    assert sum(head.asked for head in heads.values()) == 2


def test_a_given_range_is_routed_past_the_classifier(cascade):
    estimate = cascade.estimate(film(100), Sex.FEMALE, "115-171")
    assert (estimate.group, estimate.routing, estimate.age_range) == (3, "given", "115-171")
    assert estimate.group_probabilities == (0, 0, 1, 0)


def test_an_empty_range_is_no_range(cascade):
    assert cascade.estimate(film(100), "female", "").age_range is None


def test_intervals_flow_into_the_estimate(cascade):
    cascade.intervals = Intervals(0.9, {"female-2": 9.0})
    estimate = cascade.estimate(film(100), "female")
    assert estimate.high_months - estimate.low_months == pytest.approx(18)
    assert cascade.estimate(film(100), "male").low_months is None


@pytest.mark.parametrize(
    ("sex", "age_range", "words"), [("child", None, "'female' or 'male'"), ("female", "0-60", "range must be one of")]
)
def test_wrong_sex_or_range_is_one_sentence(cascade, sex, age_range, words):
    with pytest.raises(EstimateError, match=words):
        cascade.estimate(film(100), sex, age_range)


@pytest.mark.parametrize("pixels", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4)), np.zeros((0, 4), np.uint8)])
def test_other_arrays_are_refused(cascade, pixels):
    with pytest.raises(BoneageError, match="pixels must be uint8"):
        cascade.estimate(pixels, "female")


@pytest.mark.parametrize("data", [b"", b"no image at all", png(film(100))[:60]])
def test_broken_files_are_refused(cascade, data):
    with pytest.raises(BoneageError):
        cascade.estimate(data, "female")


def test_a_blank_film_is_estimated_with_a_warning(cascade):
    estimate = cascade.estimate(np.zeros((50, 50), np.uint8), "female")
    assert np.isfinite(estimate.bone_age_months)
    assert "blank" in " ".join(estimate.warnings)


def test_what_the_file_says_otherwise_is_a_warning(cascade, monkeypatch):
    said = Radiograph(film(100), sex=Sex.MALE, laterality="R", warnings=("the file is odd",))
    monkeypatch.setattr("boneage.cascade.inputs.read_radiograph", lambda source: said)
    warnings = cascade.estimate("some.dcm", "female").warnings
    assert [part in " ".join(warnings) for part in ("file is odd", "patient is male", "right hand")] == [True] * 3


def test_a_cascade_without_all_ten_heads_is_refused(cascade, heads):
    some = {key: head for key, head in heads.items() if key.task is Task.REGRESSOR}
    with pytest.raises(EstimateError, match="classifier-female, classifier-male"):
        Cascade(cascade.preparer, cascade.backbone, some, cascade.config)
    assert len(heads) == len(ALL_MODELS)


@pytest.mark.parametrize(
    ("step", "given", "disagrees"),
    [(0, 120, False), (0, 121, False), (0, 122, True), (12, 131, False), (12, 134, True), (12, 118, True)],
)
def test_an_age_disagrees_only_beyond_what_the_file_can_say(step, given, disagrees):
    read = Radiograph(np.zeros((20, 20), np.uint8), age_months=120.0, age_step_months=step)
    assert bool(contradictions(read, Sex.MALE, given)) == disagrees
    assert contradictions(read, Sex.MALE) == []


@pytest.mark.parametrize("shared", [False, True])
def test_many_are_estimated_in_their_order_and_a_bad_one_stops_nobody(cascade, monkeypatch, shared):
    monkeypatch.setattr(type(cascade.backbone), "shared", shared, raising=False)
    films = [np.full((40, 30), 20 * number + 1, np.uint8) for number in range(1, 9)]
    films[3] = np.zeros((2, 2, 2), np.uint8)
    found = list(cascade.estimate_many(films, "female"))
    assert isinstance(found[3], BoneageError)
    alone = [cascade.estimate(film, "female") for number, film in enumerate(films) if number != 3]
    assert [one for number, one in enumerate(found) if number != 3] == alone
    assert len(list(cascade.estimate_many(films[:2], ["male"] * 2, ["0-57", None]))) == 2
