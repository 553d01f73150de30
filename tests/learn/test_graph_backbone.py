"""A backbone's graph gives what Keras gives, from the same weights file, and says so where it cannot."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from boneage import needs
from boneage.config import BackboneConfig
from boneage.errors import BoneageError
from boneage.learn import handnet
from boneage.learn.backbone_table import BackboneError
from boneage.learn.backbones import open_backbone
from boneage.learn.graph_backbone import GraphBackbone
from boneage.learn.saved import open_saved

FILMS = np.random.default_rng(7).integers(0, 256, (3, 70, 70), dtype=np.uint8)


@pytest.fixture(scope="module")
def shipped():
    return open_backbone(BackboneConfig(), 70)


@pytest.fixture(scope="module")
def served():
    return GraphBackbone(handnet.SHIPPED.path(), handnet.graph_path())


@pytest.mark.parametrize("name", ["EfficientNetV2B0", "EfficientNetB0", "ResNet50", "handlite0", "MobileNetV2"])
def test_a_backbone_of_the_table_gives_what_keras_gives(name, tmp_path):
    backbone = open_backbone(BackboneConfig(name, "none", input_size=64, batch_size=2), 70)
    weights, graph = backbone.save(tmp_path / "b.npz"), backbone.save_graph(tmp_path / "b.onnx")
    again = GraphBackbone(weights, graph)
    wanted = backbone.pooled(FILMS)
    np.testing.assert_allclose(again.pooled(FILMS), wanted, atol=1e-4 * np.abs(wanted).max())
    assert (again.name, again.input_size, again.features, again.batch_size) == (name, 64, backbone.features, 2)
    assert again.sha256 == backbone.sha256 and again.passes == 3
    assert graph.stat().st_size < 60_000


def test_the_shipped_graph_gives_what_keras_gives_whatever_the_batch(shipped, served):
    np.testing.assert_allclose(served.pooled(FILMS), shipped.pooled(FILMS), atol=1e-5)
    np.testing.assert_allclose(served.maps(FILMS), shipped.maps(FILMS), atol=1e-4)
    alone = np.concatenate([served.pooled(FILMS[k : k + 1]) for k in range(3)])
    np.testing.assert_array_equal(served.pooled(FILMS), alone)
    assert served.sha256 == shipped.sha256
    assert served.pooled(FILMS[:0]).shape == (0, handnet.FEATURES)


def test_the_shipped_graph_is_the_one_that_the_network_gives_today(shipped, tmp_path):
    again = shipped.save_graph(tmp_path / "again.onnx")
    assert again.read_bytes() == handnet.graph_path().read_bytes(), (
        "the network or its export changed: write boneage/assets/handnet_graph.onnx anew with "
        "open_backbone(BackboneConfig(), 500).save_graph(handnet.graph_path())"
    )


def test_old_bundles_with_the_shipped_layout_need_no_keras_and_others_say_what_they_need(tmp_path, monkeypatch):
    weights = shutil.copyfile(handnet.SHIPPED.path(), tmp_path / "backbone.npz")
    assert isinstance(open_saved(weights, tmp_path / "none.onnx"), GraphBackbone)
    monkeypatch.setattr(needs, "installed", lambda name: False)
    np.savez(tmp_path / "other.npz", w0000=np.zeros(3, np.float32))
    with pytest.raises(needs.MissingPartError, match=r"pip install 'boneage\[train\]'"):
        open_saved(tmp_path / "other.npz", tmp_path / "none.onnx")


@pytest.mark.parametrize("kind", ["no graph", "other weights", "no weights"])
def test_files_that_do_not_fit_are_said(tmp_path, kind):
    weights = shutil.copyfile(handnet.SHIPPED.path(), tmp_path / "backbone.npz")
    graph = shutil.copyfile(handnet.graph_path(), tmp_path / "backbone.onnx")
    if kind == "no graph":
        graph.write_bytes(b"nothing of the kind")
    elif kind == "other weights":
        np.savez(weights, w0000=np.zeros(3, np.float32))
    else:
        weights.unlink()
    with pytest.raises(BackboneError, match="export the cascade again"):
        GraphBackbone(weights, graph)


def test_films_of_another_form_are_refused(served):
    with pytest.raises(BoneageError, match="uint8"):
        served.pooled(FILMS.astype(np.float32))


def test_a_layer_that_has_no_graph_is_named(tmp_path):
    import keras

    from boneage.learn.frozen import FrozenBackbone, identify

    entry = keras.Input((16, 16, 1))
    model = keras.Model(entry, keras.layers.Conv2DTranspose(2, 3, name="wide")(entry))
    with pytest.raises(BackboneError, match=r"wide \(Conv2DTranspose\)"):
        FrozenBackbone(model, identify("handnet", 16, model)).save_graph(tmp_path / "g.onnx")
