"""Backbones are compared on the same films, out of fold, and the comparison is printed, written and tracked."""

import cv2
import numpy as np
import pandas as pd
import pytest

from boneage.cli import main
from boneage.config import Config, DataConfig, SourceConfig
from boneage.data.flags import pixels_sha256
from boneage.errors import BoneageError
from boneage.learn.backbone_table import BackboneError
from boneage.learn.seen_images import SeenImages, seen_too
from boneage.study.backbone_comparison import available, backbone_of, compare_backbones, unseen_training
from boneage.tracking.store import open_store

CONFIG = """
[study]
name = "tiny"
[[data.sources]]
name = "phantoms"
layout = "phantom"
path = "phantoms"
count = 96
seed = 3
[data]
folds = 2
[preprocess]
background = "none"
size = 128
[classifier]
width_1 = 16
width_2 = 8
standardize = true
[regressor]
width_1 = 16
width_2 = 8
standardize = true
[training]
epochs = 3
"""


def test_two_backbones_on_phantoms(store, tmp_path, capsys):
    (tmp_path / "tiny.toml").write_text(CONFIG)
    command = ["compare-backbones", str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "out")]
    assert main([*command, "--films", "72", "--backbones", "handnet", "EfficientNetLite0:none"]) == 0
    said = capsys.readouterr().out
    table = pd.read_csv(tmp_path / "out" / "backbones.csv").set_index("backbone")
    films = pd.read_csv(tmp_path / "out" / "backbones_per_film.csv")
    assert list(table.index) == ["handnet:asset", "EfficientNetLite0:none"] and "research" in said.lower()
    assert "72 training films" in said and len(films) == 72, "every film asked for must be held out once"
    assert films.groupby(["sex", "true_group"]).size().between(8, 10).all()
    for name, row in table.iterrows():
        error = np.abs(films[f"{name}_months"] - films["true_months"])
        assert row["mae_months"] == pytest.approx(error.mean()) and row["low"] < row["mae_months"] < row["high"]
        assert row["ms_per_image"] > 0 and 0 <= row["group_accuracy"] <= 1
    assert table["minus_first"].iloc[0] == 0
    assert table["minus_first"].iloc[1] == pytest.approx(table["mae_months"].diff().iloc[1])
    lite = table.loc["EfficientNetLite0:none"]
    assert (lite["input_px"], lite["features"]) == (224, 1280) and lite["parameters_million"] == pytest.approx(
        3.35, 0.01
    )
    assert lite["megabytes"] == pytest.approx(4 * lite["parameters_million"], rel=0.02)
    assert (tmp_path / "out" / "backbones.png").stat().st_size > 10_000
    client = open_store()
    runs = client.search_runs([client.get_experiment_by_name("tiny-backbones").experiment_id])
    tracked = {run.data.tags["backbone"]: run for run in runs if run.data.tags["level"] == "backbone"}
    for name, run in tracked.items():
        assert run.info.status == "FINISHED" and run.data.tags["split_sha256"]
        assert run.data.metrics["out_of_fold_mae_months"] == pytest.approx(table.loc[name, "mae_months"])
    assert set(tracked) == set(table.index) and len(runs) == 3


def test_films_that_a_backbone_learnt_from_or_that_validate_are_not_drawn(tmp_path):
    rows = [(number, (20, 80, 140, 200)[number % 4], number % 8 < 4) for number in range(40)]
    (tmp_path / "t.csv").write_text("id,boneage,male\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    (tmp_path / "v.csv").write_text("id\n" + "".join(f"{number}\n" for number in range(8)))
    (tmp_path / "i").mkdir()
    films = {number: np.full((18, 16), 3 * number, np.uint8) for number in range(40)}
    for number, film in films.items():
        cv2.imwrite(str(tmp_path / "i" / f"{number}.png"), film)
    source = SourceConfig(name="s", path="t.csv", images=("i",))
    config = Config(data=DataConfig(root=str(tmp_path), sources=(source,), validation_ids="v.csv"))
    (tmp_path / "i" / "39.png").write_bytes(b"no picture")
    seen = seen_too(SeenImages(frozenset()), (pixels_sha256(films[number]) for number in range(8, 24)))
    drawn = unseen_training(config, seen, 13).table
    assert set(drawn["id"].astype(int)) <= set(range(24, 39))
    assert drawn.groupby(["sex", "group"]).size().between(1, 2).all() and len(drawn) == 13
    with pytest.raises(BoneageError, match="16 training images were asked for .* but there are 15"):
        unseen_training(config, seen, 16)


def test_what_can_be_compared(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert available() == ["handnet:asset", "handlite0:asset", "EfficientNetLite0:none"]
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "efficientnet-lite2-9656183e.pth").write_bytes(b"")
    assert "EfficientNetLite2:imagenet" in available()
    config = Config()
    assert [backbone_of(name, config).weights for name in ("handnet", "ResNet50", "ResNet50:none")] == [
        "asset",
        "imagenet",
        "none",
    ]
    with pytest.raises(BackboneError, match="is it 'ResNet50'"):
        backbone_of("ResNet", config)
    with pytest.raises(BoneageError, match="at least two different backbones"):
        compare_backbones(config, [backbone_of("handnet", config)] * 2)
