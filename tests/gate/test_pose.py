"""Facts about pose: a hand is found in its frame, turned upright, mirrored if it is a right one, and taken of two."""

from __future__ import annotations

import numpy as np
import pytest

from boneage.gate.gate import Gate
from boneage.groups import Sex
from boneage.notices import codes_of
from boneage.phantom.hand import draw
from boneage.preprocess.posture import turn


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate()


@pytest.fixture(scope="module")
def hand() -> np.ndarray:
    return draw(84.0, Sex.FEMALE, 5).image


def mirrored(film: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(film[:, ::-1])


@pytest.mark.parametrize("degrees", [-150, -90, -30, 45, 120, 180])
def test_a_turned_hand_is_turned_upright_and_that_is_said(degrees, gate, hand):
    verdict = gate.inspect(turn(hand, degrees))
    straightened = 0.0 if verdict.field is None else verdict.field.angle
    assert verdict.accepted, verdict.reasons
    assert abs((verdict.angle + straightened + degrees + 180) % 360 - 180) < 20
    assert {"gate.upright", "gate.field_straightened"} & set(codes_of(verdict.notes))
    assert "gate.mirrored" not in codes_of(verdict.notes)


def test_of_two_hands_the_left_one_is_taken_unless_the_right_is_wanted(gate, hand):
    for order in (1, -1):
        both = np.concatenate([hand, mirrored(hand)][::order], axis=1)
        left, right = gate.inspect(both), gate.inspect(both, "R")
        assert left.accepted and "gate.left_taken" in codes_of(left.notes) and left.kind == "usable"
        assert right.accepted and codes_of(right.notes)[:1] == ["gate.right_taken"] and right.kind == "mirrored"
        assert abs(left.film.shape[1] - hand.shape[1]) < 0.2 * hand.shape[1]


def test_what_is_said_of_the_side_outranks_what_is_seen(gate, hand):
    kept = gate.inspect(mirrored(hand), "L")
    assert codes_of(kept.notes) == ["gate.looks_right"] and np.array_equal(kept.film, mirrored(hand))
    made = gate.inspect(hand, "R")
    assert codes_of(made.notes) == ["gate.mirrored_said"] and np.array_equal(made.film, mirrored(hand))
    assert np.array_equal(gate.inspect(mirrored(hand), "R").film, hand)


def test_a_hand_small_in_its_frame_is_found(gate, hand):
    white = np.full((hand.shape[0] + 200, hand.shape[1] + 200), 235, np.uint8)
    white[100:-100, 100:-100] = hand
    black = np.zeros((1024, 1024), np.uint8)
    black[400 : 400 + hand.shape[0], 500 : 500 + hand.shape[1]] = hand
    for framed in (white, black):
        verdict = gate.inspect(framed)
        assert verdict.accepted and codes_of(verdict.notes) == ["gate.field"]
        assert abs(verdict.film.shape[0] - hand.shape[0]) < 0.03 * hand.shape[0]
