"""Films with flaws made on purpose, a gate fitted on a few of them, and how its errors are counted."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from boneage.cli import main
from boneage.errors import BoneageError
from boneage.gate import films as gatefilms
from boneage.gate import measure as gatemeasure
from boneage.gate import negatives as strangers
from boneage.gate.films import MAKERS, Source
from boneage.gate.fit import Recipe, Stock, fit, stock, thresholds, with_thresholds
from boneage.gate.gate import KINDS
from boneage.gate.inputs import MaskLook, picture
from boneage.gate.network import GateModel, Thresholds, read_model
from boneage.groups import Sex
from boneage.phantom.hand import draw


@pytest.fixture(scope="module")
def hands():
    drawn = [draw(50.0 + 12 * seed, Sex.FEMALE, seed=seed) for seed in range(8)]
    masks = iter([film.mask.astype(np.uint8) * 255 for film in drawn])
    return stock([film.image for film in drawn], lambda film: cv2.resize(next(masks), film.shape[::-1]))


@pytest.mark.parametrize("name", list(MAKERS))
def test_a_made_film_is_a_film_and_is_made_again_from_its_seed(hands, name):
    source = Source(hands.hand, tuple(strangers.photographs(0))[:2])
    for seed in range(3):
        film, again = (MAKERS[name].make(source, np.random.default_rng(seed)) for _ in range(2))
        assert film.dtype == np.uint8 and film.ndim == 2 and min(film.shape) >= 8
        assert np.array_equal(film, again) and MAKERS[name].kind in KINDS


@pytest.mark.parametrize("side", ["fingers", "wrist", "side", "piece"])
def test_a_good_part_of_the_hand_is_cut_away(side):
    film, mask = np.zeros((100, 100), np.uint8), np.zeros((100, 100), np.uint8)
    film[10:90, 20:80], mask[10:90, 20:80] = 200, 255
    for seed in range(8):
        kept = gatefilms.cut_off(film, mask, np.random.default_rng(seed), side)
        assert 0 < (kept > 100).sum() < 0.8 * (mask > 0).sum()


def test_a_stock_is_small_and_a_fifth_is_kept_apart(hands):
    assert max(hands.films[0].shape) == 160 and hands.films[0].shape == hands.masks[0].shape
    apart, rest = hands.part(True), hands.part(False)
    assert len(apart.films) == 2 and len(rest.films) == 6 and len((rest + apart).looks) == 8
    assert not any(one is other for one in apart.films for other in rest.films)


def test_thresholds_let_the_wanted_share_of_good_films_through():
    rng = np.random.default_rng(0)
    odds = np.full((1000, len(KINDS)), 1e-3)
    odds[:, 0] = rng.uniform(0.3, 1, 1000)
    odds[:, 1] = rng.uniform(0, 0.6, 1000) * odds[:, 0]
    found = thresholds(odds, [MaskLook(0.3, float(x), 1 - float(x)) for x in rng.uniform(0, 0.5, 1000)])
    usable = odds[:, 0] + odds[:, 1]
    assert (usable < found.least_usable).mean() <= 0.015
    assert (odds[:, 1] > found.surely_mirrored * usable).mean() <= 0.02
    assert 0.49 < found.most_doubtful <= 0.5 and 0.5 <= found.least_whole < 0.51


def test_a_gate_fitted_on_a_few_drawn_hands_tells_noise_from_hands(hands):
    many = Stock(hands.films * 14, hands.masks * 14, hands.looks * 14)
    seen = []
    gate = fit(many, hands, [], Recipe(steps=40), lambda *step: seen.append(step))
    assert seen[-1] == (40, 40) and gate.record["films_for_thresholds"] == 23 and gate.record["steps"] == 40
    noise = np.random.default_rng(0).integers(0, 256, (160, 120), dtype=np.uint8)
    odds = gate.probabilities(np.stack([picture(hands.films[0]), picture(noise)]))
    assert odds.sum(axis=1) == pytest.approx(1)
    assert odds[1, KINDS.index("not_hand")] > odds[0, KINDS.index("not_hand")]
    # Another mask network: the thresholds are chosen anew, the network stays.
    torn = replace(many, looks=tuple(replace(one, doubtful=0.77) for one in many.looks))
    again = with_thresholds(gate, torn.part(True))
    assert again.thresholds.most_doubtful == pytest.approx(0.77) and again.arrays is gate.arrays
    assert again.thresholds.least_usable == gate.thresholds.least_usable and again.record == gate.record


def test_too_few_films_are_refused(hands):
    with pytest.raises(BoneageError, match="at least 100 good films, but 8"):
        fit(hands, hands, [], Recipe())


def test_a_fitted_gate_has_a_record_like_the_other_networks(tmp_path, monkeypatch):
    """Names, terms and ids; no local folder. The terms of RSNA's films stand only where the films are RSNA's."""
    ids = [str(number) for number in (30, 4, 200, 1000, 17, 5)]
    fitted = GateModel((np.zeros(3, np.float32),), Thresholds(), {"films": 6, "steps": 40, "seed": 20, "bytes": 1})
    monkeypatch.setattr("boneage.commands.gate._fitted", lambda args, mask: (fitted, pd.DataFrame({"id": ids})))
    config, root = Path(__file__).parents[2] / "configs" / "rsna.toml", f"data.root={tmp_path}"
    rest = ["--steps", "40", "--out", str(tmp_path / "rsna")]
    assert main(["gate", "fit", str(config), "--set", root, "--not-hands", str(tmp_path), *rest]) == 0
    record = json.loads((tmp_path / "rsna" / "gate.json").read_text(encoding="utf-8"))
    assert record["file"] == "gate.npz" and record["bytes"] == (tmp_path / "rsna" / "gate.npz").stat().st_size
    assert "research use only" in record["use"] and "Halabi" in record["attribution"] and record["date"]
    assert record["films"] == 6 and record["seed"] == 20 and str(tmp_path) not in json.dumps(record)
    wanted = "boneage gate fit rsna.toml --set data.root=PATH --not-hands NOT_HANDS --steps 40 --out DIR"
    assert record["command"] == wanted
    named = {"train": "4\n5\n17\n30\n200\n1000", "thresholds": "5\n30"}
    shas = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in named.items()}
    assert record["data"]["ids_sha256"] == shas
    assert read_model(tmp_path / "rsna").thresholds == fitted.thresholds
    own = tmp_path / "clinic.toml"
    own.write_text('[study]\nname = "ours"\nnote = "Clinic X"\n[[data.sources]]\nname = "clinic"\npath = "films"\n')
    assert main(["gate", "fit", str(own), "--out", str(tmp_path / "clinic")]) == 0
    record = json.loads((tmp_path / "clinic" / "gate.json").read_text(encoding="utf-8"))
    assert record["use"] == "trained on clinic, research use only" and record["attribution"] == "Clinic X"
    assert "RSNA" not in json.dumps(record)


def test_errors_are_counted_by_what_each_film_is():
    rows = [
        ("good film", "accept", "usable", True, False, ""),
        ("good film", "accept", "cut_off", False, False, "part of the hand is cut off"),
        ("good film", "accept", "mirrored", True, False, "it was mirrored back"),
        ("turned", "refuse", "usable", True, False, ""),
        ("turned", "refuse", "turned", False, False, "turn the film"),
        ("mirrored", "correct", "usable", True, False, ""),
        ("mirrored", "correct", "mirrored", True, True, "it was mirrored back"),
        ("mirrored", "correct", "cut_off", False, False, "part of the hand is cut off"),
    ]
    measured = pd.DataFrame(rows, columns=["made", "wanted", "found", "accepted", "corrected", "said"])
    measured["side"] = [256, 1024, 300, 900, 900, 900, 900, 900]
    assert list(gatemeasure.wrong(measured)) == [False, True, True, True, False, True, False, False]
    table = gatemeasure.summary(measured).set_index("film")
    assert table.loc["good film", "wrong"] == pytest.approx(2 / 3) and table.loc[
        "mirrored", "corrected"
    ] == pytest.approx(1 / 3)
    # The large copies among the good films once more, below that row; all others are counted once.
    assert list(table.index) == ["good film", "good film, large copy", "turned", "mirrored"]
    assert list(table["images"]) == [3, 2, 2, 3] and table.loc["good film, large copy", "accepted"] == 0.5
    assert len(gatemeasure.summary(measured.assign(side=256))) == 3


def test_wilsons_interval_holds_the_share_and_never_leaves_0_to_1():
    assert gatemeasure.wilson(0, 100)[0] == 0 and 0.03 < gatemeasure.wilson(0, 100)[1] < 0.04
    low, high = gatemeasure.wilson(7, 100)
    assert low < 0.07 < high and gatemeasure.wilson(0, 0) == (0.0, 1.0)
