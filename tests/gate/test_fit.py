"""Films with flaws made on purpose, a gate fitted on a few of them, and how its errors are counted."""

import hashlib
import json
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
from boneage.gate.fit import Recipe, Stock, fit, stock
from boneage.gate.gate import KINDS
from boneage.gate.inputs import picture
from boneage.gate.network import GateModel, Thresholds, read_model
from boneage.gate.styles import STYLES
from boneage.gate.thresholds import choose
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


def test_a_stock_is_small_and_has_a_mask_for_every_film(hands):
    assert max(hands.films[0].shape) == 160 and hands.films[0].shape == hands.masks[0].shape
    assert len((hands + hands).films) == len((hands + hands).masks) == 16


@pytest.mark.parametrize("name", list(STYLES))
def test_a_film_in_another_style_still_shows_every_fingertip(hands, name):
    """The upper fifth of the mask, where the fingertips are, stays brighter than the ground above it."""
    for seed, (film, mask) in enumerate(zip(hands.films[:4], hands.masks[:4], strict=True)):
        styled, its_mask = STYLES[name](film, mask, np.random.default_rng(seed))
        assert styled.shape == its_mask.shape and styled.dtype == np.uint8
        top = int(np.flatnonzero((its_mask >= 128).any(axis=1))[0])
        tips = its_mask[top : top + 16] >= 200
        ground = its_mask[top : top + 16] == 0
        assert np.median(styled[top : top + 16][tips]) > np.median(styled[top : top + 16][ground]) + 2, name


def test_bones_alone_have_no_skin_line_and_a_long_forearm_no_rim(hands):
    film, mask = hands.films[3], hands.masks[3]
    bones = STYLES["bones alone"](film, mask, np.random.default_rng(1))[0]
    edge = (mask >= 128) & (cv2.erode(mask, np.ones((3, 3), np.uint8)) < 128)
    inside = cv2.erode(mask, np.ones((9, 9), np.uint8)) >= 128
    assert np.median(bones[edge]) < 0.35 * np.quantile(bones[inside], 0.9)
    rim = film.copy()
    rim[-3:] = 255
    longer, longer_mask = STYLES["long forearm"](rim, mask, np.random.default_rng(1))
    assert longer.shape[0] > 1.2 * film.shape[0] and longer_mask[-1].max() == 255
    assert (longer[film.shape[0] :] > 250).mean() < 0.01


def drawn_films():
    """What a measurement says of drawn films: good ones of 0.7 to 1, cut ones of 0 to 0.5, one style of 0.4 to 1."""
    rng, rows = np.random.default_rng(0), []
    kinds = {"good film": ("accept", 0.7, 1.0), "style: dark": ("accept", 0.4, 1.0), "cut off": ("refuse", 0.0, 0.5)}
    for made, (wanted, low, high) in kinds.items():
        part = pd.DataFrame({"usable": np.linspace(low, high, 400), "doubtful": 0.1, "wholeness": 1.0, "cut": 0.0})
        rows.append(part.assign(made=made, wanted=wanted, found="usable", right=rng.uniform(0, 0.6, 400)))
    return pd.concat(rows, ignore_index=True)


def test_thresholds_weigh_good_films_against_flawed_ones():
    found = choose(drawn_films())
    assert 0.42 < found.least_sure < 0.5 and found.least_sure <= found.least_usable <= 0.9
    assert found.surely_mirrored == pytest.approx(0.6, abs=0.02)
    assert found.most_doubtful == 0.25 and found.least_whole == 0.9 and found.most_cut == 0.0


def test_what_meets_the_border_is_a_doubt_that_lets_whole_hands_through():
    """Where the cut films meet the border and the whole ones do not, the network need not be sure of the whole ones."""
    drawn = drawn_films()
    drawn.loc[drawn["made"] == "cut off", "cut"] = 0.8
    found = choose(drawn)
    assert found.least_sure <= 0.41 and found.least_usable >= 0.5 and found.unsure_accepted


def test_a_gate_fitted_on_a_few_drawn_hands_tells_noise_from_hands(hands):
    many = Stock(hands.films * 14, hands.masks * 14)
    seen = []
    gate = fit(many, hands, [], Recipe(steps=40), lambda *step: seen.append(step))
    assert seen[-1] == (40, 40) and gate.record == {"simulated": 8, "steps": 40, "seed": 20}
    noise = np.random.default_rng(0).integers(0, 256, (160, 120), dtype=np.uint8)
    odds = gate.probabilities(np.stack([picture(hands.films[0]), picture(noise)]))
    assert odds.sum(axis=1) == pytest.approx(1)
    assert odds[1, KINDS.index("not_hand")] > odds[0, KINDS.index("not_hand")]


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
