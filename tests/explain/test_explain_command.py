"""`boneage explain` and `boneage predict --reasons`: the same reasons, for people and for programs."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from boneage.cascade.case_index import CaseIndex
from boneage.cascade.estimate import REASON_FIELDS
from boneage.cli import main
from boneage.config import CascadeConfig


class Backbone:
    """One cell per eighth of the picture; pooled they give the mean grey level."""

    sha256, features = "abc", 2

    def maps(self, images):
        cells = images.reshape(len(images), 8, images.shape[1] // 8, 8, -1).mean(axis=(2, 4))
        return np.stack([cells, np.ones_like(cells)], axis=-1).astype(np.float32)

    def pooled(self, images):
        return self.maps(images).mean(axis=(1, 2))


@pytest.fixture
def index():
    features = np.stack([np.linspace(5, 220, 40), np.ones(40)], axis=1)
    return CaseIndex.of("abc", [f"case-{i}" for i in range(40)], ["female"] * 40, np.linspace(5, 220, 40), features)


@pytest.fixture
def served(cascade, index, monkeypatch):
    cascade.backbone, cascade.cases = Backbone(), index
    cascade.config = replace(cascade.config, cascade=CascadeConfig(similar_cases=5))
    for command in ("explain", "predict"):
        monkeypatch.setattr(f"boneage.commands.{command}.open_cascade", lambda uri: cascade)
    return cascade


@pytest.fixture
def film(tmp_path):
    pixels = np.random.default_rng(0).integers(80, 140, (64, 64), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "hand.png")
    return str(tmp_path / "hand.png")


def test_explain_writes_maps_experts_similar_cases_and_their_faithfulness(served, film, tmp_path, capsys):
    out = tmp_path / "why"
    assert main(["explain", film, "--sex", "female", "--out", str(out)]) == 0
    content = json.loads((out / "explanation.json").read_text())
    assert set(content["faithfulness"]) == {"occlusion", "grad-cam"}
    assert len(content["experts"]) == 4 and len(content["similar_cases"]) == 5
    for name in ("prepared", "occlusion", "grad-cam"):
        assert (out / f"{name}.png").is_file()
    printed = capsys.readouterr().out
    for name, found in content["faithfulness"].items():
        assert f"{name}: {found['sentence']}" in printed
    assert printed.count("similar case case-") == 5 and printed.count("expert ") == 4


def test_explain_obeys_a_range(served, film, tmp_path, monkeypatch):
    monkeypatch.setenv("BONEAGE_AUDIT", str(tmp_path / "audit"))
    out = tmp_path / "why"
    asked = ["explain", film, "--sex", "female", "--range", "172-228", "--out", str(out), "--no-occlusion"]
    assert main(asked) == 0
    content = json.loads((out / "explanation.json").read_text())
    assert content["age_range"] == "172-228"
    assert [one["weight"] for one in content["experts"]] == [0, 0, 0, 1]
    assert not (out / "occlusion.png").exists()
    (line,) = next((tmp_path / "audit").glob("audit-*.jsonl")).read_text().splitlines()
    logged = json.loads(line)
    assert logged["event"] == "answered" and logged["bone_age_months"] == round(content["bone_age_months"], 2)


def test_another_index_can_be_given(served, index, film, tmp_path):
    served.cases, served.config = None, replace(served.config, cascade=CascadeConfig())
    out, file = tmp_path / "why", index.save(tmp_path / "cases.npz")
    asked = ["explain", film, "--sex", "female", "--out", str(out), "--no-occlusion"]
    assert main(asked) == 0
    assert json.loads((out / "explanation.json").read_text())["similar_cases"] == []
    assert main([*asked, "--cases", str(file)]) == 0
    assert len(json.loads((out / "explanation.json").read_text())["similar_cases"]) == 5


def test_predict_gives_reasons_in_every_format_where_they_are_asked_for(served, film, capsys):
    def said(*more):
        assert main(["predict", film, "--sex", "female", *more]) == 0
        return capsys.readouterr().out

    plain, full = json.loads(said("--format", "json")), json.loads(said("--format", "json", "--reasons"))
    assert set(REASON_FIELDS) == set(full) - set(plain)
    assert full["bone_age_months"] == plain["bone_age_months"]
    row = next(csv.DictReader(io.StringIO(said("--format", "csv", "--reasons"))))
    assert json.loads(row["similar_cases"]) == full["similar_cases"]
    assert said("--reasons").count("similar case") == 5
    assert "similar case" not in said()
