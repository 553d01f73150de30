"""The table of backbones agrees with Keras, weights are verified, and what is frozen stays frozen."""

import hashlib
import importlib
import inspect
import re
import urllib.error

import numpy as np
import pytest

from boneage.config import BackboneConfig
from boneage.learn import backbones
from boneage.learn.backbone_table import BACKBONES, BackboneError, blank_model
from boneage.learn.backbones import open_backbone
from boneage.learn.frozen import FrozenBackbone
from boneage.weights import fetch
from boneage.weights.table import WeightsError

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 70, 70), dtype=np.uint8)
PUBLISHED = [row for row in BACKBONES.values() if row.imagenet and row.imagenet.url]


@pytest.fixture(scope="module")
def small():
    return open_backbone(BackboneConfig("EfficientNetB0", weights="none", input_size=64, batch_size=2), 70)


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row.name)
def test_names_and_checksums_are_those_of_keras(row):
    import keras

    builder = getattr(keras.applications, row.name)
    module = importlib.import_module(inspect.unwrap(builder).__module__)
    source = inspect.getsource(builder)
    hashes = module.WEIGHTS_HASHES[re.search(r'weights_name="([^"]+)"', source).group(1)]
    assert hashes[1] == row.imagenet.md5
    stem = inspect.signature(builder).parameters["name"].default
    assert row.imagenet.file.startswith(stem) and row.imagenet.file.endswith("_notop.h5")
    base = module.BASE_WEIGHTS_PATH
    assert row.imagenet.url == base + row.imagenet.file
    if row.name != "ResNet50":
        assert re.search(rf"\b{row.input_size},", source)


def test_the_paper_s_weights_are_the_ones_named_in_its_notes():
    assert BACKBONES["EfficientNetV2L"].imagenet.file == "efficientnetv2-l_notop.h5"
    assert BACKBONES["EfficientNetV2L"].imagenet.md5 == "b0b66b5c863aef5b46e8608fe1711615"


@pytest.mark.parametrize("name", ["EfficientNetV2B0", "ResNet50", "handnet", "handlite0"])
def test_a_network_has_the_features_of_its_row(name):
    size = 0 if name == "handnet" else 64
    backbone = open_backbone(BackboneConfig(name, weights="none", input_size=size), 70)
    pooled, maps = backbone.pooled(IMAGES[:2]), backbone.maps(IMAGES[:1])
    assert pooled.shape == (2, BACKBONES[name].features) and pooled.dtype == np.float32
    assert np.isfinite(pooled).all() and pooled.std(axis=0).max() > 0
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), pooled[:1], rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_the_paper_s_network_runs():
    backbone = open_backbone(BackboneConfig("EfficientNetV2L", weights="none", input_size=128), 70)
    assert sum(weight.size for weight in backbone.model.get_weights()) == 117_746_848
    assert np.isfinite(backbone.pooled(IMAGES[:1])).all()


def test_passes_are_counted_and_batches_change_nothing(small):
    before = small.passes
    together = small.pooled(IMAGES)
    assert small.passes == before + 3
    alone = np.concatenate([small.pooled(IMAGES[k : k + 1]) for k in range(3)])
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-5)


def test_nothing_in_it_can_be_trained_and_normalisation_keeps_its_statistics(small):
    assert small.model.trainable_weights == []
    first = small.pooled(IMAGES)
    np.testing.assert_array_equal(first, small.pooled(IMAGES))


def test_random_weights_are_the_same_every_time(small):
    again = open_backbone(BackboneConfig("EfficientNetB0", weights="none", input_size=64), 70)
    assert again.sha256 == small.sha256
    other = open_backbone(BackboneConfig("EfficientNetB0", weights="none", input_size=96), 70)
    assert other.sha256 != small.sha256


def test_a_saved_backbone_is_compact_and_answers_alike(small, tmp_path):
    path = small.save(tmp_path / "backbone.npz")
    assert path.stat().st_size <= 1.02 * sum(weight.nbytes for weight in small.model.get_weights())
    loaded = FrozenBackbone.load(path)
    assert (loaded.name, loaded.sha256, loaded.input_size) == (small.name, small.sha256, 64)
    np.testing.assert_allclose(loaded.pooled(IMAGES), small.pooled(IMAGES), atol=1e-6)


def test_weights_that_fit_into_half_precision_are_saved_so(tmp_path):
    backbone = open_backbone(BackboneConfig("handnet", weights="none"), 70)
    backbone.model.set_weights([w.astype(np.float16).astype(np.float32) for w in backbone.model.get_weights()])
    path = backbone.save(tmp_path / "backbone.npz")
    assert path.stat().st_size <= 0.52 * sum(weight.nbytes for weight in backbone.model.get_weights())
    np.testing.assert_array_equal(FrozenBackbone.load(path).pooled(IMAGES), backbone.pooled(IMAGES))


def test_the_embedded_backbone_opens_without_a_network_and_stays_small(tmp_path):
    backbone = open_backbone(BackboneConfig(), 70)
    path = backbone.save(tmp_path / "backbone.npz")
    assert path.stat().st_size <= 0.52 * sum(weight.nbytes for weight in backbone.model.get_weights())
    np.testing.assert_array_equal(FrozenBackbone.load(path).pooled(IMAGES), backbone.pooled(IMAGES))


@pytest.mark.parametrize("content", [b"", b"PK no archive", None], ids=["empty", "no archive", "missing"])
def test_a_damaged_backbone_is_told_in_one_sentence(tmp_path, content):
    path = tmp_path / "backbone.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BackboneError, match="export"):
        FrozenBackbone.load(path)


def test_missing_imagenet_weights_name_file_checksum_and_place(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def offline(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(fetch.urllib.request, "urlopen", offline)
    with pytest.raises(WeightsError) as caught:
        open_backbone(BackboneConfig("EfficientNetV2L", weights="imagenet"), 500)
    for part in ("efficientnetv2-l_notop.h5", "b0b66b5c863aef5b46e8608fe1711615", str(tmp_path / "models"), "https://"):
        assert part in str(caught.value)


def test_a_wrong_file_in_its_place_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "efficientnetv2-l_notop.h5").write_bytes(b"something else")
    with pytest.raises(WeightsError, match="EfficientNetV2L with md5 b0b66b5c863aef5b46e8608fe1711615, but has"):
        open_backbone(BackboneConfig("EfficientNetV2L", weights="imagenet"), 500)


def test_a_local_file_without_a_known_checksum_must_be_vouched_for(tmp_path, small):
    path = tmp_path / "mine.weights.h5"
    small.model.layers[-1].save_weights(path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    config = BackboneConfig("EfficientNetB0", weights=str(path), input_size=64)
    with pytest.raises(WeightsError, match=found):
        open_backbone(config, 70)
    with pytest.raises(WeightsError, match="take the right file"):
        open_backbone(BackboneConfig(**{**vars(config), "sha256": "0" * 64}), 70)
    opened = open_backbone(BackboneConfig(**{**vars(config), "sha256": found}), 70)
    np.testing.assert_allclose(opened.pooled(IMAGES), small.pooled(IMAGES), atol=1e-5)
    with pytest.raises(BackboneError, match="do not fit EfficientNetV2B0"):
        open_backbone(BackboneConfig("EfficientNetV2B0", weights=str(path), input_size=64, sha256=found), 70)


def test_published_weights_from_a_file_give_what_keras_gives(tmp_path, monkeypatch):
    """Keras scales EfficientNetB's input differently when it downloads the weights itself (tensorflow#49930)."""
    import keras
    from keras.src.applications import efficientnet

    stand_in = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(64, 64, 3))
    for layer in stand_in.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.set_weights([np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225]), np.int64(0)])
    path = tmp_path / "notop.weights.h5"
    stand_in.save_weights(path)
    monkeypatch.setattr(efficientnet.file_utils, "get_file", lambda *_, **__: str(path))
    theirs = keras.applications.EfficientNetB0(include_top=False, weights="imagenet", input_shape=(64, 64, 3))
    ours = blank_model("EfficientNetB0", 64)
    backbones._load(ours, BACKBONES["EfficientNetB0"], path)
    grey = IMAGES[:2, :64, :64, None].astype(np.float32)
    wanted = np.asarray(theirs(np.repeat(grey, 3, axis=-1), training=False))
    got = np.asarray(ours(grey, training=False))
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=np.abs(wanted).max() / 1e4)


@pytest.mark.parametrize(
    ("config", "hint"),
    [
        (BackboneConfig("EfficientNetV2-L"), "is it 'EfficientNetV2L'"),
        (BackboneConfig("ResNet50", weights="asset"), "only handnet and handlite0 ship"),
        (BackboneConfig("handnet", weights="imagenet"), "no ImageNet weights"),
        (BackboneConfig("handnet", weights="none", input_size=200), "set it to 0"),
        (BackboneConfig("ResNet50", weights="/nowhere.h5"), "there is no /nowhere.h5"),
        (BackboneConfig("EfficientNetB0", weights="none", input_size=8), "at least 32"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_backbone_that_cannot_be_says_what_to_do(config, hint):
    with pytest.raises((BackboneError, WeightsError), match=hint):
        open_backbone(config, 500)


def test_images_that_are_not_prepared_are_refused(small):
    with pytest.raises(BackboneError, match="prepare them first"):
        small.pooled(np.zeros((1, 64, 64), np.float32))
