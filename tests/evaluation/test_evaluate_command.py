"""`boneage evaluate` from a folder or a configuration to the files of a report."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from boneage.cli import main

AGES = {"female": (20, 40, 80, 100, 130, 150, 180, 200), "male": (25, 45, 85, 105, 135, 155, 185, 205)}


@pytest.fixture
def folder(tmp_path, cascade, monkeypatch):
    """Films in the RSNA layout, twice per sex and age; the fake bone age is 3 months less than the label."""
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("boneage.commands.evaluate.open_cascade", lambda uri: cascade)
    cascade.card["training_median_months"] = {"female": 100.0, "male": 110.0}
    data = tmp_path / "data"
    (data / "boneage-training-dataset").mkdir(parents=True)
    rows = []
    for sex, ages in AGES.items():
        for age in (*ages, *ages):
            name = len(rows) + 1
            pixels = np.full((40, 40), age, np.uint8)
            pixels[0, name % 40] = age + 1
            pixels[1, name // 40] = age - 1
            pixels[2, :9] = range(age - 4, age + 5)  # a film has more than a few grey levels
            Image.fromarray(pixels).save(data / "boneage-training-dataset" / f"{name}.png")
            rows.append(f"{name},{age + 3},{sex == 'male'}")
    (data / "boneage-training-dataset.csv").write_text("id,boneage,male\n" + "\n".join(rows) + "\n")
    return data


@pytest.fixture
def config(folder, tmp_path):
    file = tmp_path / "study.toml"
    source = (
        'name = "all"\nlayout = "rsna"\npath = "boneage-training-dataset.csv"\nimages = ["boneage-training-dataset"]'
    )
    text = f'[study]\nname = "tiny"\n[data]\nroot = "{folder}"\nfolds = 2\nvalidation_fraction = 0.25\n'
    file.write_text(f"{text}[[data.sources]]\n{source}\n")
    return file


def test_a_folder_is_scored_beside_the_paper(folder, tmp_path, capsys):
    out = tmp_path / "report"
    assert main(["evaluate", str(folder), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "32 images" in printed and "10.808" in printed and "Research use only" in printed
    content = json.loads((out / "metrics.json").read_text())
    assert content["metrics"]["mae_months"] == pytest.approx(3, abs=0.01)
    assert len(pd.read_csv(out / "per_image.csv")) == 32
    assert (out / "report.md").read_text().startswith("# Evaluation on data")
    assert (out / "predicted_against_true.png").stat().st_size > 1000


def test_a_bad_image_is_named_and_ends_with_1(folder, capsys):
    (folder / "boneage-training-dataset" / "3.png").write_bytes(b"no image")
    assert main(["evaluate", str(folder)]) == 1
    out, err = capsys.readouterr()
    assert "31 images" in out and "3.png" in err


def test_the_validation_part_of_a_study_is_the_one_that_was_drawn(config, tmp_path, capsys):
    out = tmp_path / "report"
    assert main(["evaluate", str(config), "--out", str(out)]) == 0
    assert "tiny validation, 8 images" in capsys.readouterr().out
    splits = json.loads((tmp_path / "home" / "workspace" / "studies" / "tiny" / "splits.json").read_text())
    assert set(pd.read_csv(out / "per_image.csv")["id"].astype(str)) == set(splits["validation"])


def test_a_study_without_test_sources_says_so(config, capsys):
    assert main(["evaluate", str(config), "--part", "test"]) == 1
    assert "tiny test has no labelled image" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--part", "test"], ["--set", "data.folds=3"]])
def test_settings_of_a_study_need_a_study(folder, arguments, capsys):
    assert main(["evaluate", str(folder), *arguments]) == 2
    assert "belong to a CONFIG.toml" in capsys.readouterr().err


def test_a_folder_without_labels_is_one_sentence(tmp_path, folder, capsys):
    (tmp_path / "nothing").mkdir()
    assert main(["evaluate", str(tmp_path / "nothing")]) == 1
    assert capsys.readouterr().err.startswith("boneage: ")
