"""Facts about `boneage steps` and `boneage prepare`: what they write, what they say, and how they end."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from boneage.cli import main
from boneage.config import PreprocessConfig
from boneage.data.images import read_image
from boneage.groups import Sex
from boneage.phantom.dataset import write_dataset
from boneage.phantom.hand import draw
from boneage.preprocess.preparer import Preparer

CONFIG = """
[study]
name = "prepared"
[[data.sources]]
name = "phantoms"
path = "phantoms"
[preprocess]
background = "none"
size = 96
[backbone]
name = "handnet"
weights = "asset"
"""


@pytest.fixture
def film(tmp_path):
    """A simulated film in a file of its own."""
    path = tmp_path / "film.png"
    Image.fromarray(draw(120.0, Sex.MALE, 3).image).save(path)
    return path


def test_steps_writes_every_picture_and_all_side_by_side(film, tmp_path, capsys):
    out = tmp_path / "steps"
    assert main(["steps", str(film), "--out", str(out), "--set", "preprocess.rotate=true", "--side", "R",
                 "--set", "preprocess.mirror='right'"]) == 0  # fmt: skip
    said = [line for line in capsys.readouterr().out.splitlines() if line.endswith(".png")]
    names = [line.removeprefix(f"{out}/") for line in said]
    assert {path.name for path in out.iterdir()} == set(names)
    assert names[:4] == ["1-field.png", "2-film.png", "3-mask.png", "4-object.png"]
    assert {name.partition("-")[2] for name in names} >= {"mirror.png", "crop.png", "pad.png", "prepared.png"}
    exposed = read_image(out / "2-film.png")  # the drawn film has a border around its exposed field
    assert 0.8 < exposed.size / read_image(film).size < 1
    config = PreprocessConfig(crop=True, pad=True, rotate=True, mirror="right")
    prepared = Preparer(config).prepare(exposed, "R").image
    np.testing.assert_array_equal(read_image(out / f"{len(names) - 1}-prepared.png"), prepared)
    assert read_image(out / "steps.png").shape[1] > 3 * 320


def test_steps_follows_a_configuration_and_says_what_is_doubtful(tmp_path, capsys):
    blank, config = tmp_path / "blank.png", tmp_path / "c.toml"
    Image.fromarray(np.full((64, 48), 90, np.uint8)).save(blank)
    config.write_text(CONFIG)
    assert main(["steps", str(blank), "--out", str(tmp_path / "out"), "--config", str(config)]) == 0
    assert read_image(tmp_path / "out" / "3-prepared.png").shape == (96, 96)
    assert "blank" in capsys.readouterr().err
    assert main(["steps", str(tmp_path / "no.png"), "--out", str(tmp_path / "out")]) == 1
    assert "no file at" in capsys.readouterr().err


def test_prepare_prepares_each_film_once_and_sums_up_what_was_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path))
    write_dataset(tmp_path / "phantoms", 24, 2)
    broken = sorted(path for path in (tmp_path / "phantoms").rglob("*.png") if "mask" not in str(path))[5]
    broken.write_bytes(broken.read_bytes()[:300])
    config = tmp_path / "c.toml"
    config.write_text(CONFIG)
    command = ["prepare", str(config), "--set", f"data.root='{tmp_path}'"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "23 images are ready for training and validation" in out
    assert "23 images passed the backbone just now" in out
    assert "1 rows were left out" in err and "1 x unreadable file" in err
    prepared = sorted((tmp_path / "workspace" / "prepared").rglob("*.png"))
    assert len(prepared) == 23 and {read_image(path).shape for path in prepared} == {(96, 96)}
    assert main(command) == 0
    assert "0 images passed the backbone just now" in capsys.readouterr().out
