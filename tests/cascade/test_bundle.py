"""A bundle is everything needed to serve, moves, and tells when it was changed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from boneage.cascade.bundle import (
    BUNDLE_FILE,
    CASES_FILE,
    GRAPH_FILE,
    MASK_FILE,
    REGIONS_FILE,
    BundleError,
    load_bundle,
    read_bundle,
    save_bundle,
)
from boneage.cascade.cascade import Cascade
from boneage.cascade.case_index import CaseIndex
from boneage.cascade.intervals import Intervals
from boneage.cascade.noise_guard import NoiseGuard
from boneage.cascade.parity import LARGEST_MONTHS, Films
from boneage.cascade.regional import Regional
from boneage.cascade.routing import Head
from boneage.config import BackboneConfig, Config, DataConfig, HeadParameters, PreprocessConfig, SourceConfig
from boneage.gate.gate import Gate, RefusedError
from boneage.gate.network import shipped_model
from boneage.groups import ALL_MODELS
from boneage.learn.graph_backbone import GraphBackbone
from boneage.learn.heads import initial_weights
from boneage.preprocess.preparer import Preparer
from boneage.regions.ages import COLUMNS, RegionalAges

FILM = np.random.default_rng(3).integers(0, 256, (90, 70), dtype=np.uint8)


@pytest.fixture(scope="module")
def backbone():
    from boneage.learn.backbones import open_backbone

    return open_backbone(BackboneConfig(name="handnet", weights="none"), 64)


def build(backbone, **preprocess) -> Cascade:
    steps = PreprocessConfig(**{"background": "none", "size": 64, **preprocess})
    params = HeadParameters(width_1=16, width_2=8)
    heads = {
        key: Head(key, params, tuple(initial_weights(key.task, backbone.features, params, number)))
        for number, key in enumerate(ALL_MODELS)
    }
    sources = (SourceConfig(name="s", path="/home/someone/hospital/ages.csv", images=("/home/someone/films",)),)
    config = Config(
        data=DataConfig(root="/home/someone", sources=sources),
        preprocess=steps,
        backbone=BackboneConfig(name="handnet", weights="none"),
    )
    intervals = Intervals(0.9, {"female-2": 11.0}, {"female-2": 40})
    return Cascade(Preparer(steps), backbone, heads, config, {"note": "a test"}, intervals)


@pytest.fixture(scope="module")
def cascade(backbone):
    return build(backbone)


@pytest.fixture(scope="module")
def saved(cascade, tmp_path_factory):
    return save_bundle(cascade, tmp_path_factory.mktemp("bundle") / "cascade")


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "moved" / "elsewhere")


def test_a_moved_bundle_gives_the_same_estimate(cascade, copy):
    again = load_bundle(copy)
    for sex, age_range in (("female", None), ("male", "172-228")):
        before, after = (each.estimate(FILM, sex, age_range).to_json() for each in (cascade, again))
        after["model"] = before["model"]
        assert after == before
    assert again.card == cascade.card and again.intervals == cascade.intervals


def test_what_is_served_needs_no_keras_and_was_compared_with_it(cascade, tmp_path):
    films = Films(np.stack([FILM[:64, :64], FILM[:64, 6:]]), ["female", "male"])
    folder = save_bundle(cascade, tmp_path / "proven", films)
    again = load_bundle(folder)
    assert isinstance(again.backbone, GraphBackbone) and again.backbone.sha256 == cascade.backbone.sha256
    assert again.backbone.proof["films"] == 2 and again.backbone.proof["largest_difference_months"] <= LARGEST_MONTHS
    # Whatever is made of it later, such as a site's correction, keeps graph and proof.
    twice = load_bundle(save_bundle(again, tmp_path / "twice"))
    assert twice.backbone.proof == again.backbone.proof
    assert (tmp_path / "twice" / GRAPH_FILE).read_bytes() == (folder / GRAPH_FILE).read_bytes()


def test_cached_features_give_the_same_estimate_as_the_film(cascade):
    features = cascade.features(cascade.prepare(FILM))
    assert cascade.estimate_features(features, ["male"]) == [cascade.estimate(FILM, "male")]


def test_similar_cases_and_the_guard_against_noise_travel_along(backbone, tmp_path):
    made = build(backbone)
    made.config = replace(made.config, cascade=replace(made.config.cascade, similar_cases=2))
    made.noise = NoiseGuard(64, 0.5, 1.25, 100, 40)
    features = np.random.default_rng(0).random((30, backbone.features), np.float32)
    names = [f"case-{i}" for i in range(30)]
    made.cases = CaseIndex.of(backbone.sha256, names, ["male"] * 30, np.linspace(10, 200, 30), features)
    again = load_bundle(save_bundle(made, tmp_path / "bundle"))
    assert again.noise == made.noise
    assert again.estimate(FILM, "male").warnings == made.estimate(FILM, "male").warnings != ()
    assert again.similar(features[:1], "male") == made.similar(features[:1], "male")
    assert len(again.similar(features[:1], "male")) == 2
    assert (tmp_path / "bundle" / CASES_FILE).is_file()


def test_the_gate_that_was_evaluated_is_the_gate_that_is_served(backbone, tmp_path, monkeypatch):
    made = build(backbone)
    assert load_bundle(save_bundle(made, tmp_path / "without")).gate is None
    made.config = replace(made.config, cascade=replace(made.config.cascade, gate=True))
    shipped = shipped_model()
    strict = replace(shipped, thresholds=replace(shipped.thresholds, least_usable=1.1))
    made.gate = Gate(strict)
    again = load_bundle(save_bundle(made, tmp_path / "with"))
    assert again.gate.model.thresholds == strict.thresholds
    assert all(np.array_equal(a, b) for a, b in zip(again.gate.model.arrays, shipped.arrays, strict=True))
    with pytest.raises(RefusedError):
        again.estimate(FILM, "male")


def test_a_bundle_of_before_both_existed_is_read(copy):
    from boneage.cascade.bundle import _digest

    values = json.loads((copy / BUNDLE_FILE).read_text())
    del values["noise"], values["sha256"]
    for name in ("similar_cases", "noise_guard"):
        del values["config"]["cascade"][name]
    values["sha256"] = _digest(values)
    (copy / BUNDLE_FILE).write_text(json.dumps(values))
    again = load_bundle(copy)
    assert again.noise is None and again.cases is None
    assert again.similar(np.zeros((1, 4), np.float32), "male") == []


def test_a_loaded_bundle_can_be_saved_again(copy, tmp_path):
    again = save_bundle(load_bundle(copy), tmp_path / "again")
    assert load_bundle(again).estimate(FILM, "male").bone_age_months == pytest.approx(
        load_bundle(copy).estimate(FILM, "male").bone_age_months
    )


def test_the_bundle_is_as_small_as_one_backbone_and_ten_heads(cascade, saved):
    heads = sum(weight.nbytes for head in cascade.heads.values() for weight in head.weights)
    weights = sum(weight.nbytes for weight in cascade.backbone.model.get_weights())
    size = sum(path.stat().st_size for path in saved.rglob("*") if path.is_file())
    assert size <= 1.15 * (heads + weights)


@pytest.mark.parametrize("name", ["heads/regressor-male-2.npz", "backbone.npz", "backbone.onnx"])
def test_a_changed_file_is_refused(copy, name):
    file = copy / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(BundleError, match="damaged or changed"):
        load_bundle(copy)


def test_a_changed_setting_is_refused(copy):
    file = copy / BUNDLE_FILE
    file.write_text(file.read_text().replace('"hard"', '"soft"'))
    with pytest.raises(BundleError, match="was changed after it was written"):
        load_bundle(copy)


def test_a_missing_file_is_named(copy):
    (copy / "heads" / "classifier-male.npz").unlink()
    with pytest.raises(BundleError, match="classifier-male.npz is missing"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "no cascade at"), ("{", "not valid JSON"), ("[]", "one JSON object"), ("{}", "format None")],
)
def test_what_is_no_bundle_is_refused_in_a_sentence(tmp_path, text, words):
    if text is not None:
        (tmp_path / BUNDLE_FILE).write_text(text)
    with pytest.raises(BundleError, match=words):
        load_bundle(tmp_path)


def test_a_name_that_leads_out_of_the_bundle_is_refused(copy):
    from boneage.cascade.bundle import _digest

    values = json.loads((copy / BUNDLE_FILE).read_text())
    values["files"]["../secret"] = "0"
    del values["sha256"]
    values["sha256"] = _digest(values)
    (copy / BUNDLE_FILE).write_text(json.dumps(values))
    with pytest.raises(BundleError, match="outside the bundle"):
        read_bundle(copy)


def test_pickled_arrays_are_refused(copy):
    from boneage.cascade.bundle import _digest, file_sha256

    name = "heads/classifier-male.npz"
    np.savez(copy / name, weight_00=np.array([{"a": 1}], dtype=object))
    values = json.loads((copy / BUNDLE_FILE).read_text())
    values["files"][name] = file_sha256(copy / name)
    del values["sha256"]
    values["sha256"] = _digest(values)
    (copy / BUNDLE_FILE).write_text(json.dumps(values))
    with pytest.raises(BundleError, match="no plain arrays"):
        load_bundle(copy)


def test_no_path_of_the_machine_goes_into_a_bundle(saved):
    text = (saved / BUNDLE_FILE).read_text()
    assert "/home" not in text and "ages.csv" in text


def test_a_local_mask_network_and_the_one_that_finds_regions_travel_along(backbone, tmp_path):
    network = tmp_path / "somewhere" / "net.onnx"
    network.parent.mkdir()
    network.write_bytes(b"not opened in this test")
    made = build(backbone, background=str(network), arrange="mosaic")
    folder = save_bundle(made, tmp_path / "bundle")
    network.unlink()
    again = load_bundle(folder)
    assert again.preparer.config.background == str(folder / MASK_FILE)
    assert (folder / MASK_FILE).read_bytes() == b"not opened in this test"
    assert again.preparer.finder.file == folder / REGIONS_FILE
    assert (folder / REGIONS_FILE).read_bytes() == made.preparer.finder.file.read_bytes()
    assert save_bundle(again, tmp_path / "twice").joinpath(MASK_FILE).is_file()


def test_an_existing_folder_is_never_overwritten(cascade, saved):
    with pytest.raises(BundleError, match="not empty"):
        save_bundle(cascade, saved)


def test_networks_and_intervals_of_regions_travel_along(backbone, tmp_path):
    wide = Intervals(0.9, {"female-2": 25.0}, {"female-2": 60})
    made = replace(build(backbone), regional=Regional(RegionalAges(), {"carpals": wide}))
    again = load_bundle(save_bundle(made, tmp_path / "bundle"))
    assert again.regional is not None and again.regional.intervals == {"carpals": wide}
    assert again.regional.networks.sha256 == RegionalAges().sha256
    assert again.regional.networks.finder.file.parent == tmp_path / "bundle"
    assert again.pooled(FILM[None, :64, :64]).shape == (1, backbone.features + COLUMNS)
    assert again.estimate(FILM, "female").regional_ages == ()  # no hand is in that noise
