"""A lean archive leaves out what every installation has, and is refused where it has another."""

import hashlib
import json
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest

from boneage.cascade.bundle import BACKBONE_FILE, MASK_FILE, file_sha256
from boneage.evaluation.metrics_table import account
from boneage.learn import handnet, lite0
from boneage.preprocess import handmask
from boneage.registry import archive as exchange
from boneage.registry import unpacking
from boneage.registry.model_card import model_card
from boneage.registry.register import bundle_folder, load_cascade, register_cascade
from boneage.registry.training_record import card_intervals
from boneage.registry.versions import RegistryError, show


def test_what_this_installation_has_is_left_out_and_nothing_else(tmp_path):
    for backbone in (handnet.SHIPPED.path(), lite0.SHIPPED.path()):
        for name, source in ((BACKBONE_FILE, backbone), (MASK_FILE, handmask.model_path())):
            assert unpacking.put_back(name, file_sha256(source), tmp_path / name)
            assert (tmp_path / name).read_bytes() == source.read_bytes()
        assert unpacking.leave_out(tmp_path) == {BACKBONE_FILE, MASK_FILE}
    (tmp_path / MASK_FILE).write_bytes(b"another")
    assert unpacking.leave_out(tmp_path) == {BACKBONE_FILE}


@pytest.fixture
def archive(store, submit, tmp_path, monkeypatch):
    """A lean archive of a tiny cascade, whose backbone counts as shipped here."""
    register_cascade(store, submit(metrics={"mae_months": 5.0, "images": 20.0}))
    kept = tmp_path / "kept.npz"
    shutil.copyfile(bundle_folder(store, show(store, "tiny-cascade", "challenger")) / BACKBONE_FILE, kept)
    monkeypatch.setitem(unpacking.SHIPPED_NETWORKS, BACKBONE_FILE, (lambda: kept,))
    return exchange.export_version(store, "tiny-cascade", "challenger", tmp_path / "out", lean=True), kept


def test_a_lean_archive_comes_back_whole(store, archive):
    file, _ = archive
    with zipfile.ZipFile(file) as members:
        assert f"bundle/{BACKBONE_FILE}" not in members.namelist()
    exchange.import_version(store, file, prefix="other")
    assert load_cascade("models:/other-cascade/1").heads
    version = show(store, "other-cascade", 1)
    assert (bundle_folder(store, version) / BACKBONE_FILE).read_bytes() == archive[1].read_bytes()


def test_an_installation_with_another_backbone_refuses_it(store, archive):
    file, kept = archive
    kept.write_bytes(b"another backbone")
    with pytest.raises(RegistryError, match="ships another one"):
        exchange.import_version(store, file, prefix="other")


def test_only_what_ships_may_be_missing(store, archive, tmp_path):
    file, _ = archive
    short = tmp_path / "short.zip"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(short, "w") as new:
        for name in old.namelist():
            if name != "bundle/bundle.json":
                new.writestr(name, old.read(name))
    with pytest.raises(RegistryError, match="damaged"):
        exchange.import_version(store, short, prefix="other")


def test_a_lean_archive_has_a_training_record_and_no_other_checksum(store, archive):
    file, kept = archive
    assert [path.name for path in sorted(file.parent.iterdir())] == [file.with_suffix(".json").name, file.name]
    record = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    assert record["file"] == file.name and record["bytes"] == file.stat().st_size
    assert record["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (record["name"], record["version"], record["study"]) == ("tiny-cascade", 1, "tiny")
    assert "Halabi" in record["attribution"] and record["licence"] and record["date"]
    assert record["data"]["counts"] == {"train": 80, "validation": 20}
    backbone = {"sha256": hashlib.sha256(kept.read_bytes()).hexdigest(), "left_out": True}
    assert record["networks"]["backbone"] == backbone
    assert record["figures"] == {"validation": {"images": 20.0, "mae_months": 5.0}, "intervals_95": {}}
    assert record["command"].startswith("python -m tuning tiny.toml ")


def test_the_intervals_of_a_card_are_read_back(cascade):
    error = np.random.default_rng(0).normal(0, 9, 400)
    true, sexes = np.linspace(1, 227, 400), np.array(["female", "male"] * 200)
    groups = np.minimum(true // 57.01 + 1, 4).astype(int)
    frame = {"sex": sexes, "true_months": true, "estimated_months": true + error, "error_months": error}
    figures = account(pd.DataFrame({**frame, "true_group": groups, "group": groups}), resamples=50)
    found = card_intervals(model_card(cascade, {}, figures=figures))
    assert set(found) == set(figures["part"])
    for row in figures[figures["metric"] == "mae_months"].itertuples():
        assert found[row.part]["mae_months"] == [round(row.low, 2), round(row.high, 2)]
    assert set(found["all"]) == {"mae_months", "bias_months", "within_12_months", "within_24_months"}
    assert card_intervals("# A card") == {}
