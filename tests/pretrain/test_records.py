"""Every shipped network is the one that its record describes."""

import hashlib
import json
from pathlib import Path

import pytest

ASSETS = Path(__file__).parents[2] / "boneage" / "assets"
NETWORKS = {"handmask.onnx": 3_000_000, "handnet.npz": 16_000_000}


@pytest.mark.parametrize("name", NETWORKS)
def test_asset_is_the_one_of_its_record(name):
    file = ASSETS / name
    record = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    assert record["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert record["file"] == name and record["bytes"] == file.stat().st_size <= NETWORKS[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_record_says_where_the_weights_come_from(name):
    record = json.loads((ASSETS / name).with_suffix(".json").read_text(encoding="utf-8"))
    assert record["use"] == "trained on RSNA 2017, research use only"
    assert "Halabi" in record["attribution"] and record["licence"] and record["date"]
    assert record["recipe"]["seed"] is not None and record["command"].startswith("python -m boneage.pretrain")
    assert len(record["data"]["ids_sha256"]["train"]) == 64 and record["figures"]["validation"]


def test_record_of_the_backbone_lists_every_unseen_child(data):
    from boneage.pretrain import sources

    record = json.loads((ASSETS / "handnet.json").read_text(encoding="utf-8"))["data"]
    table, never = sources.children(data), sources.validation_ids(data)
    unseen = sources.unseen_ids(table, never)
    assert frozenset(record["unseen_ids"]) == unseen
    assert record["ids_sha256"]["validation"] == sources.ids_sha256(never)
    assert record["ids_sha256"]["train"] == sources.ids_sha256(set(table) - never - unseen)


def test_record_of_the_mask_network_trained_on_no_validation_child(data):
    from boneage.pretrain import sources

    record = json.loads((ASSETS / "handmask.json").read_text(encoding="utf-8"))["data"]
    trained = set(record["train_ids"])
    assert not trained & (sources.validation_ids(data) | set(record["validation_ids"]))
    assert len(record["validation_ids"]) == 15
