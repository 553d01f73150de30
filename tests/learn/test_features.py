"""Features are computed once, and a head fitted on them is the head fitted through the network."""

import numpy as np
import pytest

from boneage.config import HeadParameters, TrainingConfig
from boneage.groups import ModelKey
from boneage.learn.engine import CosineSchedule, targets_of
from boneage.learn.features import FeatureError, apply_view, extract
from boneage.learn.fit import Samples, fit_head
from boneage.learn.frozen import FrozenBackbone, identify
from boneage.learn.heads import build_head, initial_weights, target_of


def tiny_model(size=32, channels=6):
    import keras

    hand = keras.Input((size, size, 1))
    x = keras.layers.Rescaling(1 / 64, -1)(hand)
    start = keras.initializers.GlorotUniform(1)
    x = keras.layers.Conv2D(channels, 5, 2, activation="relu", kernel_initializer=start)(x)
    return keras.Model(hand, x)


@pytest.fixture
def backbone():
    model = tiny_model()
    return FrozenBackbone(model, identify("tiny", 32, model), batch_size=4)


def test_each_image_and_view_passes_the_backbone_exactly_once(prepared, backbone, tmp_path):
    ids, views = list(prepared.images), ("original", "flip")
    seen = []
    features = extract(prepared, ids, backbone, views, tmp_path, progress=lambda *now: seen.append(now))
    assert backbone.passes == 20
    assert seen[-1] == (20, 20)
    again = extract(prepared, ids[::-1], backbone, views, tmp_path)
    assert backbone.passes == 20, "the second time all comes from the cache"
    for view in views:
        np.testing.assert_array_equal(features.matrix(ids, view), again.matrix(ids, view))


def test_a_row_is_the_backbones_answer_to_that_view(prepared, backbone, tmp_path):
    features = extract(prepared, list(prepared.images), backbone, ("original", "flip"), tmp_path)
    for view in ("original", "flip"):
        wanted = backbone.pooled(apply_view(prepared.images["hand-7"], view)[None])
        np.testing.assert_allclose(features.matrix(["hand-7"], view), wanted, atol=1e-5)


def test_the_tables_are_memory_mapped(prepared, backbone, tmp_path):
    features = extract(prepared, list(prepared.images), backbone, ("original",), tmp_path)
    assert isinstance(features.tables["original"], np.memmap)


def test_equal_images_under_two_ids_pass_once(prepared, backbone, tmp_path):
    prepared.images["copy"] = prepared.images["hand-0"]
    prepared.content_sha256["copy"] = prepared.content_sha256["hand-0"]
    features = extract(prepared, list(prepared.images), backbone, ("original",), tmp_path)
    assert backbone.passes == 10
    np.testing.assert_array_equal(features.matrix(["copy"]), features.matrix(["hand-0"]))


@pytest.mark.parametrize("damage", ["half a row", "a row without a key", "half a key"])
def test_an_interrupted_extraction_goes_on_where_it_was(prepared, backbone, tmp_path, damage):
    ids = list(prepared.images)
    extract(prepared, ids[:6], backbone, ("original",), tmp_path)
    data, keys = next(tmp_path.rglob("features.f32")), next(tmp_path.rglob("keys.txt"))
    row = 4 * backbone.features
    content, lines = data.read_bytes(), keys.read_bytes()
    data.write_bytes(content[: -row // 2] if damage == "half a row" else content)
    keys.write_bytes({"half a row": lines, "a row without a key": lines[:-65], "half a key": lines[:-30]}[damage])
    features = extract(prepared, ids, backbone, ("original",), tmp_path)
    assert backbone.passes == 6 + 5
    np.testing.assert_allclose(
        features.matrix(ids), backbone.pooled(np.stack([prepared.images[name] for name in ids])), atol=1e-5
    )


def test_another_preparation_has_another_cache(prepared, backbone, tmp_path):
    extract(prepared, list(prepared.images), backbone, ("original",), tmp_path)
    prepared.config_sha256 = "d" * 64
    extract(prepared, list(prepared.images), backbone, ("original",), tmp_path)
    assert backbone.passes == 20


def test_what_was_not_extracted_is_refused_by_name(prepared, backbone, tmp_path):
    features = extract(prepared, ["hand-1"], backbone, ("original",), tmp_path)
    with pytest.raises(FeatureError, match="'hand-2'"):
        features.matrix(["hand-2"])
    with pytest.raises(FeatureError, match="'flip'"):
        features.matrix(["hand-1"], "flip")
    with pytest.raises(FeatureError, match="'upside-down'"):
        extract(prepared, ["hand-1"], backbone, ("upside-down",), tmp_path)


def test_views_turn_and_mirror():
    image = np.zeros((41, 41), np.uint8)
    image[5, 20] = image[6, 20] = image[5, 21] = 255
    assert apply_view(image, "flip")[5, 20] == 255 and apply_view(image, "flip")[5, 19] == 255
    assert (
        np.argmax(apply_view(image, "rotate-left").sum(axis=0))
        < 20
        < np.argmax(apply_view(image, "rotate-right").sum(axis=0))
    )


def test_a_head_on_cached_features_has_the_loss_curve_of_one_behind_the_backbone(tmp_path, backbone, prepared):
    """The claim that the whole study rests on: features once is the same as images every time."""
    import keras

    key, training = ModelKey.parse("regressor-male-2"), TrainingConfig(epochs=4, patience=4)
    params = HeadParameters(width_1=16, width_2=8, batch_size=4)
    rng = np.random.default_rng(4)
    prepared.images = {name: rng.integers(0, 256, (32, 32), dtype=np.uint8) for name in prepared.images}
    ids = list(prepared.images)
    ages = rng.uniform(58, 115, len(ids)).astype(np.float32)
    cached = extract(prepared, ids, backbone, ("original",), tmp_path).matrix(ids)
    samples = Samples(cached, ages, np.full(len(ids), 2))
    ours = fit_head(key, samples, samples, params, training, seed=3)

    head = build_head(key.task, backbone.features, params, target_of(key), seed=3)
    head.set_weights(initial_weights(key.task, backbone.features, params, 3))
    hand = keras.Input((32, 32, 1))
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.model(hand, training=False))
    whole = keras.Model(hand, head(pooled))
    assert len(whole.trainable_weights) == 6
    schedule = keras.optimizers.schedules.CosineDecay(**CosineSchedule.of(params, 4 * 3).keras_arguments())
    whole.compile(keras.optimizers.Adam(schedule), "mean_absolute_error", jit_compile=False)
    images = np.stack([prepared.images[name] for name in ids]).astype(np.float32)[..., None]
    targets, order = targets_of(key, ages, samples.groups), np.random.default_rng((3, 1))
    for epoch in range(4):
        rows, total = order.permutation(len(ids)), 0.0
        for first in range(0, len(ids), 4):
            batch = rows[first : first + 4]
            whole.reset_metrics()
            total += len(batch) * float(whole.train_on_batch(images[batch], targets[batch]))
        assert ours.history["loss"][epoch] == pytest.approx(total / len(ids), rel=1e-4)
