"""A cascade from chosen heads: only heads that fit, scored only on images that none of them was trained on."""

from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest

from boneage.cascade.bundle import save_bundle
from boneage.cascade.intervals import Intervals
from boneage.cascade.routing import Head
from boneage.cli import main
from boneage.config import PreprocessConfig
from boneage.data.annotations import load_folder, read_row
from boneage.data.flags import pixels_sha256
from boneage.groups import ALL_MODELS, ModelKey
from boneage.learn.heads import initial_weights
from boneage.preprocess.preparer import Preparer
from boneage.registry import register as registry
from boneage.registry.register import load_cascade, register_cascade
from boneage.registry.validation import COLUMNS, read_validation
from boneage.registry.versions import show

from .conftest import PARAMETERS

NAME = "tiny-cascade"
KEY = ModelKey.parse("regressor-male-2")
CELLS = [f"{sex}-{group}" for sex in ("female", "male") for group in (1, 2, 3, 4)]


@pytest.fixture
def films(tmp_path):
    """A folder of 24 films with readings."""
    rng, rows, folder = np.random.default_rng(0), [], tmp_path / "films"
    folder.mkdir()
    for number in range(24):
        cv2.imwrite(
            str(folder / f"{number}.png"), rng.integers(17 + 8 * number, 29 + 9 * number, (40, 32)).astype("u1")
        )
        rows.append({"id": number, "boneage": 12 + 8 * number, "male": bool(number % 2)})
    pd.DataFrame(rows).to_csv(folder / "readings.csv", index=False)
    return folder


@pytest.fixture
def versions(store, cascade, submit, films, tmp_path, monkeypatch):
    """Versions 1 and 2 with heads 1 and 2, validated on the films; version 3 was made on another preparation."""
    heads = iter((1, 2, 3))
    monkeypatch.setattr(
        registry, "_register_heads", lambda *args: dict(args[1].pinned) or dict.fromkeys(ALL_MODELS, next(heads))
    )
    labelled = load_folder(films).table
    hashes = [pixels_sha256(read_row(row)) for _, row in labelled.iterrows()]
    ages = labelled["age_months"].to_numpy(float)
    values = [labelled["id"].astype(str), hashes, labelled["sex"].astype(str), ages, ages + 4]
    table = pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))
    steps = PreprocessConfig(background="none", contrast="none", size=48)
    for number, prepare in enumerate((cascade.preparer, cascade.preparer, Preparer(steps)), start=1):
        fresh = {
            key: Head(key, PARAMETERS, tuple(initial_weights(key.task, 2, PARAMETERS, 100 * number + seed)))
            for seed, key in enumerate(ALL_MODELS)
        }
        intervals = Intervals(0.9, dict.fromkeys(CELLS, 10.0 * number), dict.fromkeys(CELLS, 50))
        config = replace(cascade.config, preprocess=prepare.config)
        made = replace(cascade, preparer=prepare, heads=fresh, intervals=intervals, config=config)
        bundle = save_bundle(made, tmp_path / f"bundle-{number}")
        register_cascade(store, replace(submit(), bundle=bundle, validation=table.iloc[: 24 if number == 1 else 20]))
    return store


def assemble(films, head, *more):
    return main(["registry", "assemble", str(films), "--name", NAME, "--base", "1", "--head", head, *more])


def test_one_head_is_replaced_and_the_new_cascade_registered_with_its_lineage(versions, films, capsys):
    assert assemble(films, f"{KEY}=2") == 0
    said = capsys.readouterr()
    assert "version 4: version 1 with regressor-male-2: 1 -> 2" in said.out and "20 validation images" in said.out
    assert "4 images of films are left out: a head may have been trained on them" in said.err
    info = show(versions, NAME, "challenger")
    assert (info.version, info.tags["assembled_from"]) == (4, "1")
    assert info.heads[KEY.name] == 2 and set(info.heads.values()) == {1, 2}
    made, first, second = (load_cascade(f"models:/{NAME}/{number}", versions) for number in (4, 1, 2))
    for key in ALL_MODELS:
        expected = (second if key == KEY else first).heads[key].weights
        assert all(np.array_equal(*pair) for pair in zip(made.heads[key].weights, expected, strict=True))
    assert made.intervals.half_widths["male-2"] == 20 and made.intervals.half_widths["male-1"] == 10
    table = read_validation(versions, info)
    film = load_folder(films).table.set_index("id").loc[table["id"][3]]
    assert table["bone_age_months"][3] == pytest.approx(made.estimate(read_row(film), film["sex"]).bone_age_months)
    assert main(["registry", "show", NAME, "--version", "4"]) == 0
    out = capsys.readouterr().out
    assert "assembled from version 1" in out and "heads replaced: regressor-male-2: 1 -> 2" in out


@pytest.mark.parametrize(
    ("head", "words", "status"),
    [
        ("regressor-male-2=1", "nothing would be replaced", 1),
        ("regressor-male-2=9", "no cascade of tiny-cascade holds version 9", 1),
        ("regressor-male-2=3", "another preparation", 1),
        ("regressor-male-9=1", "KEY=VERSION", 2),
    ],
)
def test_heads_that_do_not_fit_are_refused(versions, films, capsys, head, words, status):
    assert assemble(films, head) == status
    assert words in capsys.readouterr().err
    assert show(versions, NAME, "challenger").version == 3


def test_films_that_only_share_the_names_are_refused(versions, films, capsys):
    cv2.imwrite(str(films / "3.png"), np.full((40, 32), 77, np.uint8))
    assert assemble(films, f"{KEY}=2") == 1
    assert "image 3 of this data is not the one" in capsys.readouterr().err


def test_two_versions_are_compared_on_any_labelled_films(versions, films, tmp_path, capsys):
    assert main(["registry", "compare", "1", "2", str(films), "--name", NAME, "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "24 images of films that both estimate" in out and "verdict: " in out
    rows = pd.read_csv(tmp_path / "out" / "per_image.csv")
    first = load_cascade(f"models:/{NAME}/1", versions)
    film = load_folder(films).table.set_index("id").loc[str(rows["id"][5])]
    assert rows["first_months"][5] == pytest.approx(first.estimate(read_row(film), film["sex"]).bone_age_months)
    parts = pd.read_csv(tmp_path / "out" / "comparison.csv")
    error = (rows["first_months"] - rows["true_months"]).abs() - (rows["second_months"] - rows["true_months"]).abs()
    assert parts["difference_months"][0] == pytest.approx(error.mean())
