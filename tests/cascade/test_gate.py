import json
from dataclasses import replace

import numpy as np
import pytest

from boneage.cascade import gatefilms
from boneage.cascade.cascade import Cascade
from boneage.cascade.gate import KINDS, Gate, GateError, GateModel, RefusedError, Verdict, _read, save_model
from boneage.cascade.look import GRID, NAMES, look
from boneage.data.phantom import draw
from boneage.groups import Sex

SIZE = len(NAMES) + GRID * GRID


def model(*, least=0.5, answer=lambda named: "usable"):
    """A gate whose network is replaced by a rule on the named numbers."""

    class Ruled(GateModel):
        def probabilities(self, vectors):
            odds = np.full((len(vectors), len(KINDS)), 0.01)
            for row, vector in zip(odds, vectors, strict=True):
                row[KINDS.index(answer(dict(zip(NAMES, vector, strict=False))))] = 0.95
            return odds

    return Ruled({}, least, 0.5, {})


def bright_is_hand(film):
    return np.where(film > 60, 255, 0).astype(np.uint8)


def dark_or_bright(film):
    """A mask network that knows the hand by its place, whatever the greys."""
    mask = np.zeros_like(film)
    mask[40:160, 40:120] = 255
    return mask


@pytest.fixture
def hand():
    film = np.full((200, 160), 10, np.uint8)
    film[40:160, 40:120] = 180
    film[60:140, 60:100] = 220
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
    verdict = Gate(model(), mask=None).inspect(film)
    assert verdict.kind == kind and not verdict.accepted and verdict.reasons[0]


def test_a_good_film_passes_unchanged(hand):
    verdict = Gate(model(), bright_is_hand).inspect(hand)
    assert verdict.accepted and verdict.kind == "usable" and not verdict.notes
    assert np.array_equal(verdict.film, hand)


def test_a_film_without_a_mask_is_refused(hand):
    verdict = Gate(model(), lambda film: np.zeros_like(film)).inspect(hand)
    assert verdict.kind == "no_mask" and not verdict.accepted


@pytest.mark.parametrize("kind", ["not_hand", "two_hands", "cut_off", "turned"])
def test_every_flaw_has_a_sentence(hand, kind):
    verdict = Gate(model(answer=lambda named: kind), bright_is_hand).inspect(hand)
    assert verdict.kind == kind and len(verdict.reasons) == 1


def test_a_mirrored_hand_is_mirrored_back_and_said(hand):
    hand[50:70, 41:60] = 90
    verdict = Gate(model(answer=lambda named: "mirrored"), bright_is_hand).inspect(hand)
    assert verdict.accepted and "mirrored" in verdict.notes[0]
    assert np.array_equal(verdict.film, hand[:, ::-1])


def test_an_inverted_film_is_corrected_and_said(hand):
    rule = model(answer=lambda named: "usable" if named["brighter"] > 0 else "not_hand")
    verdict = Gate(rule, dark_or_bright).inspect(255 - hand)
    assert verdict.accepted and "inverted" in verdict.notes[0]
    assert np.array_equal(verdict.film, hand)


class Refuser:
    def inspect(self, film):
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


def test_a_model_is_read_back_and_a_changed_one_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    shapes = {"mean": SIZE, "deviation": SIZE, "kernel_1": (SIZE, 4), "bias_1": 4, "kernel_2": (4, len(KINDS))}
    arrays = {name: rng.random(shape) + 0.5 for name, shape in {**shapes, "bias_2": len(KINDS)}.items()}
    written = GateModel({name: np.asarray(a, np.float32) for name, a in arrays.items()}, 0.3, 0.9, {"films": {}})
    save_model(written, tmp_path)
    read = _read(tmp_path / "gate.npz", tmp_path / "gate.json")
    vectors = rng.random((3, SIZE)).astype(np.float32)
    assert read.probabilities(vectors) == pytest.approx(written.probabilities(vectors))
    assert read.probabilities(vectors).sum(axis=1) == pytest.approx(1)
    values = json.loads((tmp_path / "gate.json").read_text())
    (tmp_path / "other.json").write_text(json.dumps({**values, "sha256": "0"}))
    with pytest.raises(GateError, match="reinstall"):
        _read(tmp_path / "gate.npz", tmp_path / "other.json")


def test_the_look_tells_fingers_sides_and_direction():
    phantom = draw(120.0, Sex.MALE, seed=4)
    soft = phantom.mask.astype(np.uint8) * 255
    seen = look(phantom.image, soft)
    named = dict(zip(NAMES, seen.vector, strict=False))
    assert seen.vector.shape == (SIZE,) and np.isfinite(seen.vector).all()
    assert 3 <= named["fingers"] <= 7 and named["finger_height"] > 0 and named["brighter"] > 0
    over = look(phantom.image[::-1].copy(), soft[::-1].copy())
    assert dict(zip(NAMES, over.vector, strict=False))["finger_height"] < 0


def test_an_empty_mask_gives_numbers_all_the_same():
    seen = look(np.zeros((90, 120), np.uint8), np.zeros((90, 120), np.uint8))
    assert np.isfinite(seen.vector).all() and seen.share == 0


def test_flawed_films_are_films():
    rng = np.random.default_rng(5)
    good = draw(100.0, Sex.FEMALE, seed=2)
    mask = good.mask.astype(np.uint8) * 255
    made = [gatefilms.turned(good.image, rng), gatefilms.two_hands(good.image, good.image, rng)]
    made += [gatefilms.cut_off(good.image, mask, rng) for _ in range(6)]
    made += [gatefilms.no_hand(rng, list(gatefilms.photographs(0))[:2]) for _ in range(12)]
    made += [gatefilms.broken_phantom(rng)]
    for film in made:
        assert film.dtype == np.uint8 and film.ndim == 2 and min(film.shape) >= 8


def test_the_shipped_gate_was_fitted_with_the_shipped_mask_network():
    from boneage.cascade.gate import shipped_model
    from boneage.preprocess.background import network_identity

    shipped = shipped_model()
    assert shipped.record["mask_network"] == network_identity("handmask")
    assert shipped.arrays["mean"].shape == (SIZE,) and 0 < shipped.least_usable <= 0.5
