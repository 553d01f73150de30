"""A whole study stops, in a sentence that helps, when one film is in training and in validation."""

from __future__ import annotations

import json

import cv2
import pandas as pd
import pytest
from PIL import Image

from boneage.cli import main
from boneage.data.images import read_image
from boneage.phantom.dataset import write_dataset

CONFIG = """
[study]
name = "leaky"
[data]
folds = 2
validation_ids = "validation.csv"
[[data.sources]]
name = "phantoms"
path = "phantoms"
[preprocess]
background = "none"
size = 64
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of 12 phantoms of which two validate, and a function that adds a copy of a film as a validation film."""
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path))
    root = tmp_path / "phantoms"
    write_dataset(root, 12, 4)
    table = next(path for path in root.rglob("*.csv"))
    films = {path.stem: path for path in root.rglob("*.png") if "mask" not in str(path)}
    rows = pd.read_csv(table, dtype=str)
    first = str(rows["id"].iloc[0])

    def add(change):
        copy = films[first].with_name("copy.png")
        Image.fromarray(change(read_image(films[first]))).save(copy)
        pd.concat([rows, rows.iloc[:1].assign(id="copy")]).to_csv(table, index=False)
        held_out = [str(rows["id"].iloc[-1]), "copy"]
        (tmp_path / "validation.csv").write_text("id\n" + "\n".join(held_out) + "\n")
        config = tmp_path / "leaky.toml"
        config.write_text(CONFIG)
        return [str(config), "--set", f"data.root={json.dumps(str(tmp_path))}"], first

    return add


COPIES = {
    "exact": (lambda film: film, "with the same pixels"),
    "near": (lambda film: cv2.resize(film, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), "stored in two ways"),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_study_stops_at_a_film_in_training_and_validation(kind, study, tmp_path, capsys):
    change, words = COPIES[kind]
    arguments, first = study(change)
    assert main(["train", *arguments]) == 1
    message = capsys.readouterr().err
    assert words in message and f"{first} (training) = copy (validation)" in message
    assert "remove one of each from the sources" in message and "Traceback" not in message
    assert not list((tmp_path / "workspace").rglob("features.f32")), "nothing was computed on it"
    assert main(["audit", *arguments]) == 1


@pytest.mark.parametrize("kind", ["near"])
def test_the_search_stops_at_it_too(kind, study, capsys):
    from tuning.__main__ import main as search

    arguments, first = study(COPIES[kind][0])
    try:
        status = search(arguments)
    except SystemExit as ended:
        status = ended.code
    assert status == 1
    assert f"{first} (training) = copy (validation)" in capsys.readouterr().err
