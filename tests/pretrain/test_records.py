"""Every shipped network is the one that its record describes."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

ASSETS = Path(__file__).parents[2] / "boneage" / "assets"
NETWORKS = {"handmask.onnx": 3_000_000, "handnet.npz": 16_000_000, "handlite0.npz": 8_000_000, "gate.npz": 500_000}


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
    # The gate's recipe stands at the top, where the gates in older bundles have theirs.
    assert record.get("recipe", record)["seed"] is not None
    assert record["command"].startswith(("python -m boneage.pretrain", "boneage gate fit"))
    assert len(record["data"]["ids_sha256"]["train"]) == 64 and record["figures"]["validation"]


def test_the_list_of_seen_films_is_the_one_of_its_record():
    file = ASSETS / "handnet_seen.npz"
    record = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    assert record["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    with np.load(file, allow_pickle=False) as arrays:
        assert len(arrays["sha256_prefixes"]) == record["films"] > record["children"] == 10213
    backbone = json.loads((ASSETS / "handnet.json").read_text(encoding="utf-8"))["data"]
    assert record["ids_sha256"] == backbone["ids_sha256"]["train"]


def test_the_shipped_cascade_is_the_one_of_its_record():
    file = ASSETS / "cascade.zip"
    record = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    assert record["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert record["file"] == file.name and record["bytes"] == file.stat().st_size
    assert sum(asset.stat().st_size for asset in ASSETS.iterdir()) <= 39_200_000


def test_the_record_of_the_shipped_cascade_says_where_it_comes_from():
    from boneage.config import load_config, to_mapping

    config = load_config(ASSETS.parents[1] / "configs" / "best.toml")
    record, backbone, mask = (
        json.loads((ASSETS / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("cascade", config.backbone.name, "handmask")
    )
    assert record["use"] == "trained on RSNA 2017, research use only"
    assert "Halabi" in record["attribution"] and record["licence"] and record["date"]
    assert record["networks"] == {
        "backbone": {"sha256": backbone["sha256"], "left_out": True},
        "mask": {"sha256": mask["sha256"], "left_out": True},
    }
    counts = backbone["data"]["counts"]
    assert record["data"]["sources"] == {"rsna": "train"} and len(record["data"]["split_sha256"]) == 64
    assert record["data"]["backbone_saw"] == {"train": counts["train"], "validation": 0}
    assert record["data"]["counts"]["validation"] == record["figures"]["validation"]["images"] == counts["validation"]
    (low, high), mae = (
        record["figures"]["intervals_95"]["all"]["mae_months"],
        record["figures"]["validation"]["mae_months"],
    )
    assert low < mae < high and len(record["figures"]["intervals_95"]) == 22  # 11 parts, and of the large films alone
    assert "rsna_1024px.zip, all" in record["figures"]["intervals_95"]
    assert record["study"] == config.study.name
    for section in ("preprocess", "classifier", "regressor", "training", "global_head", "cascade"):
        assert record["recipe"][section] == json.loads(json.dumps(to_mapping(config)[section])), section
    assert record["command"].startswith(f"boneage train configs/{record['study']}.toml ")
    assert record["recipe"]["seed"] == config.study.seed


def test_no_validation_film_is_on_the_list_of_seen_ones(data):
    from boneage.config import BackboneConfig, SourceConfig
    from boneage.data.annotations import load_source, read_row
    from boneage.data.flags import pixels_sha256
    from boneage.learn.seen_images import seen_images
    from boneage.pretrain import sources
    from boneage.pretrain.seen import trained_ids

    seen, never, trained = seen_images(BackboneConfig()), sources.validation_ids(data), trained_ids(data)
    source = SourceConfig(name="rsna", layout="rsna", path="boneage-training-dataset.csv", images=(sources.LARGE_ZIP,))
    table = load_source(source, data).table
    for ids, wanted in ((never, False), (trained, True)):
        rows = table[table["id"].isin(ids)].head(15)
        assert len(rows) == 15
        assert all(seen.saw(pixels_sha256(read_row(row))) is wanted for _, row in rows.iterrows())


def test_record_of_the_backbone_lists_every_unseen_child(data):
    from boneage.pretrain import sources

    record = json.loads((ASSETS / "handnet.json").read_text(encoding="utf-8"))["data"]
    table, never = sources.children(data), sources.validation_ids(data)
    unseen = sources.unseen_ids(table, never)
    assert frozenset(record["unseen_ids"]) == unseen
    assert record["ids_sha256"]["validation"] == sources.ids_sha256(never)
    assert record["ids_sha256"]["train"] == sources.ids_sha256(set(table) - never - unseen)


def test_record_of_the_gate_names_training_films_alone(data):
    from boneage.config import load_config
    from boneage.data.annotations import load_training
    from boneage.pretrain import sources
    from boneage.study.materials import sample

    record = json.loads((ASSETS / "gate.json").read_text(encoding="utf-8"))
    config = load_config(ASSETS.parents[1] / "configs" / "rsna.toml", [f"data.root={data}"])
    table = load_training(config.data).table
    ids = sample(table[~table["id"].isin(sources.validation_ids(data))], record["films"])["id"]
    assert record["data"]["ids_sha256"]["train"] == sources.ids_sha256(ids)
    assert record["data"]["ids_sha256"]["thresholds"] == sources.ids_sha256(ids.iloc[::5])


def test_record_of_the_mask_network_trained_on_no_validation_child(data):
    from boneage.pretrain import sources

    record = json.loads((ASSETS / "handmask.json").read_text(encoding="utf-8"))["data"]
    trained = set(record["train_ids"])
    assert not trained & (sources.validation_ids(data) | set(record["validation_ids"]))
    assert len(record["validation_ids"]) == 15
