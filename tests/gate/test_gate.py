"""What the gate says of films, with a rule in the place of its network, and the shipped gate as it is."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from boneage.cascade.cascade import Cascade
from boneage.config import PreprocessConfig
from boneage.gate.gate import Gate, RefusedError, Verdict
from boneage.gate.inputs import SIDE, look_at_mask, picture
from boneage.gate.network import KINDS, GateError, GateModel, Thresholds, _read, build_network, save_model
from boneage.groups import Sex
from boneage.notices import codes_of
from boneage.paths import assets
from boneage.phantom.hand import draw
from boneage.preprocess import handmask
from boneage.preprocess.preparer import Preparer


def model(answer=lambda seen: "usable", sure=0.94, **limits):
    """A gate whose network is replaced by a rule on the picture's grey levels (S, S)."""

    class Ruled(GateModel):
        def probabilities(self, pictures):
            odds = np.full((len(pictures), len(KINDS)), (1 - sure) / (len(KINDS) - 1))
            for row, seen in zip(odds, pictures[..., 0], strict=True):
                row[KINDS.index(answer(seen))] = sure
            return odds

    return Ruled((), Thresholds(**limits))


def placed(film):
    """A mask network that knows the hand by its place, whatever the greys."""
    mask = np.zeros_like(film)
    mask[40:160, 40:120] = 255
    return mask


@pytest.fixture
def hand():
    film = np.full((200, 160), 10, np.uint8)
    cv2.ellipse(film, (80, 100), (42, 66), 0, 0, 360, 180, -1)  # a rectangle would be an exposed field
    cv2.ellipse(film, (80, 100), (20, 40), 0, 0, 360, 220, -1)
    film[0, :8] = range(6, 14)
    return film


@pytest.mark.parametrize(
    ("film", "kind"),
    [
        (np.full((60, 30), 90, np.uint8), "small"),
        (np.zeros((200, 200), np.uint8), "blank"),
        (np.full((200, 200), 255, np.uint8), "blank"),
    ],
)
def test_small_and_blank_films_are_refused_without_any_network(film, kind):
    verdict = Gate(GateModel((), Thresholds()), mask=None).inspect(film)
    assert verdict.kind == kind and not verdict.accepted and verdict.reasons[0]


def test_a_good_film_passes_unchanged(hand):
    verdict = Gate(model(), placed).inspect(hand)
    assert verdict.accepted and verdict.kind == "usable" and not verdict.notes
    assert np.array_equal(verdict.film, hand)


@pytest.mark.parametrize("kind", ["not_hand", "two_hands", "cut_off", "turned"])
def test_every_flaw_has_a_sentence(hand, kind):
    verdict = Gate(model(lambda seen: kind), placed).inspect(hand)
    assert verdict.kind == kind and len(verdict.reasons) == 1 and verdict.usable < 0.1


def test_a_film_without_a_mask_is_refused(hand):
    verdict = Gate(model(), np.zeros_like).inspect(hand)
    assert verdict.kind == "no_mask" and not verdict.accepted


@pytest.mark.parametrize("limits", [{"most_doubtful": 0.5}, {"least_whole": 0.8}])
def test_a_doubtful_mask_is_refused_and_a_clear_one_is_not(hand, limits):
    def torn(film):
        mask = placed(film)
        mask[90:110], mask[150:] = 0, 128
        mask[110:150, 40:120] = 140
        return mask

    verdict = Gate(model(**limits), torn).inspect(hand)
    assert verdict.kind == "doubtful_mask" and "in doubt" in verdict.reasons[0]
    assert Gate(model(**limits), placed).inspect(hand).accepted


def at_the_border(film):
    """A mask that meets the film's upper edge, as that of a hand without fingers does."""
    mask = placed(film)
    mask[:40, 40:120] = 255
    return mask


def half_torn(film):
    mask = placed(film)
    mask[:, 60:80] = 128
    return mask


@pytest.mark.parametrize(
    ("mask", "warned", "refused"),
    [(half_torn, "gate.unsure_mask", "gate.doubtful_mask"), (at_the_border, "gate.unsure_cut", "gate.cut_off")],
)
def test_one_doubt_warns_and_two_refuse(hand, mask, warned, refused):
    limits = {"most_doubtful": 0.2, "most_cut": 0.3, "least_sure": 0.3, "least_usable": 0.7}
    sure = Gate(model(sure=0.94, **limits), mask).inspect(hand)
    assert sure.accepted and codes_of(sure.notes) == [warned]
    unsure = Gate(model(sure=0.5, **limits), mask).inspect(hand)
    assert not unsure.accepted and codes_of(unsure.reasons) == [refused]
    alone = Gate(model(sure=0.5, **limits), placed).inspect(hand)
    assert alone.accepted and codes_of(alone.notes) == ["gate.unsure"]
    # A gate that leaves nothing between sure and refused, as older bundles have, refuses at one doubt.
    strict = Gate(model(sure=0.94, most_doubtful=0.2, most_cut=0.3), mask).inspect(hand)
    assert codes_of(strict.reasons) == [refused]


@pytest.mark.parametrize(("said", "angle"), [("cut_off", 0.0), ("turned", 40.0)])
def test_a_cut_hand_that_leans_is_not_turned_into_a_whole_one(hand, monkeypatch, said, angle):
    """Only what the network itself calls turned is turned; a cut hand, turned, can look like a whole one."""
    as_it_is = picture(hand)[..., 0]
    monkeypatch.setattr("boneage.gate.pose.lean", lambda soft: 40.0)
    verdict = Gate(model(lambda seen: said if np.array_equal(seen, as_it_is) else "usable"), placed).inspect(hand)
    assert verdict.accepted == (said == "turned") and verdict.angle == angle


def test_a_mask_in_doubt_is_asked_for_again_of_the_blurred_film(hand):
    film = cv2.resize(hand, None, fx=2, fy=2)

    def asked(seen):
        grain = float(np.abs(np.diff(seen.astype(float), axis=0)).max())
        mask = cv2.resize(placed(hand), film.shape[::-1])
        mask[:, 120:180] = 128 if grain > sharp else 255
        return mask

    sharp = 0.8 * float(np.abs(np.diff(film.astype(float), axis=0)).max())
    verdict = Gate(model(most_doubtful=0.2), asked).inspect(film)
    assert verdict.accepted and verdict.look.doubtful < 0.05 and (verdict.mask[:, 120:180] > 128).all()


def test_a_mirrored_hand_is_mirrored_back_and_said(hand):
    hand[50:70, 41:60] = 90
    verdict = Gate(model(lambda seen: "mirrored"), placed).inspect(hand)
    assert verdict.accepted and "mirrored" in verdict.notes[0]
    assert np.array_equal(verdict.film, hand[:, ::-1])


def test_a_hand_that_is_hardly_surely_mirrored_is_left_alone(hand):
    verdict = Gate(model(lambda seen: "mirrored", sure=0.9, surely_mirrored=0.99), placed).inspect(hand)
    assert verdict.accepted and not verdict.notes and np.array_equal(verdict.film, hand)


def bones_bright(seen):
    return "usable" if seen[SIDE // 2, SIDE // 2] > seen[SIDE // 2, SIDE // 4] else "inverted"


def test_an_inverted_film_is_corrected_and_said(hand):
    verdict = Gate(model(bones_bright), placed).inspect(255 - hand)
    assert verdict.accepted and "inverted" in verdict.notes[0] and verdict.kind == "inverted"
    assert np.array_equal(verdict.film, hand)


def test_an_inverted_film_that_shows_no_hand_is_refused(hand):
    rule = model(lambda seen: "cut_off" if bones_bright(seen) == "usable" else "inverted")
    verdict = Gate(rule, placed).inspect(255 - hand)
    assert verdict.kind == "cut_off" and not verdict.accepted


def test_what_stays_inverted_either_way_is_refused(hand):
    assert not Gate(model(lambda seen: "inverted"), placed).inspect(hand).accepted


class Refuser:
    def inspect(self, film, laterality=None):
        return Verdict(film, ("the film shows a foot",), (), "not_hand", 0.01)


@pytest.fixture
def guarded(cascade):
    config = replace(cascade.config, cascade=replace(cascade.config.cascade, gate=True))
    return Cascade(cascade.preparer, cascade.backbone, cascade.heads, config, gate=Refuser())


def test_the_cascade_withholds_an_estimate_unless_asked_for_anyway(guarded, hand):
    with pytest.raises(RefusedError, match="shows a foot.*--anyway"):
        guarded.estimate(hand, "female")
    with pytest.raises(RefusedError):
        guarded.prepare(hand)
    estimate = guarded.estimate(hand, "female", anyway=True)
    assert any("shows a foot" in warning for warning in estimate.warnings)


def test_without_the_option_there_is_no_gate(cascade, hand):
    cascade.gate = Refuser()
    assert cascade.estimate(hand, "female").warnings == ()


def test_a_picture_keeps_the_sides_ratio_and_says_where_the_film_is():
    seen = picture(np.tile(np.arange(100, dtype=np.uint8), (200, 1)))
    assert seen.shape == (SIDE, SIDE, 2) and seen.dtype == np.float32
    assert seen[..., 1].sum() == SIDE * SIDE / 2 and not seen[:, : SIDE // 4].any()
    assert seen[0, SIDE // 4, 0] == pytest.approx(0, abs=0.05) and seen[0, 3 * SIDE // 4 - 1, 0] == pytest.approx(1)


def test_a_mask_in_numbers():
    mask = np.zeros((192, 192), np.uint8)
    mask[:48, :96], mask[100:112, :96] = 255, 255
    seen = look_at_mask(mask)
    assert seen.wholeness == pytest.approx(0.8) and seen.doubtful == 0 and seen.share == pytest.approx(1 / 8)
    assert seen.cut == pytest.approx((96 + 60) / np.sqrt(mask.astype(bool).sum()))  # above and on the left
    below = np.zeros((192, 192), np.uint8)
    below[100:, 50:150] = 255
    assert look_at_mask(below).cut == 0
    empty = look_at_mask(np.zeros((90, 120), np.uint8))
    assert empty.share == 0 and empty.wholeness == 0


def test_a_model_is_read_back_and_a_changed_one_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    written = GateModel(
        tuple(np.asarray(array, np.float32) for array in build_network().get_weights()),
        Thresholds(0.3, 0.9, 0.4, 0.7),
        {"films": 5},
    )
    save_model(written, tmp_path)
    read = _read(tmp_path / "gate.npz", tmp_path / "gate.json")
    pictures = rng.random((3, SIDE, SIDE, 2)).astype(np.float32)
    assert read.thresholds == written.thresholds and read.record["films"] == 5
    assert read.probabilities(pictures) == pytest.approx(written.probabilities(pictures), abs=5e-3)
    assert read.probabilities(pictures).sum(axis=1) == pytest.approx(1)
    values = json.loads((tmp_path / "gate.json").read_text())
    (tmp_path / "other.json").write_text(json.dumps({**values, "sha256": "0"}))
    with pytest.raises(GateError, match="reinstall"):
        _read(tmp_path / "gate.npz", tmp_path / "other.json")


def test_gate_and_preparation_ask_the_mask_network_once(cascade, monkeypatch):
    film = draw(120, Sex.MALE, 4).image
    config = replace(cascade.config, cascade=replace(cascade.config.cascade, gate=True))
    guarded = replace(cascade, preparer=Preparer(PreprocessConfig(size=100)), config=config, gate=Gate(model()))
    seen = []
    monkeypatch.setattr(
        handmask, "network_input", lambda grey, real=handmask.network_input: seen.append(1) or real(grey)
    )
    prepared = guarded.prepare(film)
    assert len(seen) == 1
    np.testing.assert_array_equal(prepared.image, Preparer(PreprocessConfig(size=100)).prepare(film).image)
    # A gate with another network than the preparation's lends it nothing.
    guarded.gate, expected = Gate(model(), placed), prepared.image
    np.testing.assert_array_equal(guarded.prepare(film).image, expected)


@pytest.fixture(scope="module")
def shipped():
    return Gate()


def test_the_shipped_gate_is_small_and_was_fitted_with_the_shipped_mask_network(shipped):
    from boneage.preprocess.background import network_identity

    assert shipped.model.record["mask_network"] == network_identity("handmask")
    assert (assets() / "gate.npz").stat().st_size <= 500_000


def test_the_pages_drawn_hands_pass_the_shipped_gate(shipped):
    from boneage.ui.estimate.examples import _DRAWN

    for age, sex, seed in _DRAWN:
        film = draw(age, sex, seed).image
        verdict = shipped.inspect(film)
        assert verdict.accepted and np.array_equal(verdict.film, film), (age, sex, verdict.reasons, verdict.notes)


def test_the_shipped_gate_corrects_and_refuses_simulated_hands(shipped):
    """Drawn hands, upright and otherwise; most, not all: single films are the measurement's business."""
    right = {"usable": 0, "mirrored": 0, "inverted": 0, "turned": 0}
    for seed in range(6):
        film = draw(60.0 + 20 * seed, Sex.MALE, seed=seed).image
        right["usable"] += shipped.inspect(film).accepted
        mirrored = shipped.inspect(np.ascontiguousarray(film[:, ::-1]))
        right["mirrored"] += mirrored.accepted and np.array_equal(mirrored.film, film)
        inverted = shipped.inspect(np.asarray(255 - film, np.uint8))
        right["inverted"] += inverted.accepted and np.array_equal(inverted.film, film)
        turned = shipped.inspect(np.ascontiguousarray(film[::-1, ::-1]))
        right["turned"] += turned.accepted and abs(turned.angle) > 150
    assert min(right.values()) >= 5, right
