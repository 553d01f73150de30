"""Fine-tune a backbone end to end, from a named block on, together with a head for all ages.

Keras code that runs on TensorFlow, JAX and PyTorch alike. The head (a distribution over bins, with the sex as an input)
is only there to teach the backbone: the cascade's own heads are fitted afterwards, on the tuned backbone's features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from boneage.config import FineTuneConfig
from boneage.groups import Sex
from boneage.learn.attention import BLOCK
from boneage.learn.backbone_table import BackboneError, fit_input
from boneage.learn.frozen import FrozenBackbone, identify
from boneage.learn.global_head import BINS, SEX_FLAGS, targets_of_kind
from boneage.stopping import Progress

if TYPE_CHECKING:
    import keras

_HIDDEN = 256
_WARM_UP_RATE = 1e-3
_READERS = 4


@dataclass(frozen=True)
class Films:
    """Training films of a fine-tuning.

    Attributes:
        load: returns prepared image number i, uint8 (S, S).
        sexes: N sexes.
        ages: months, float32 (N,).
    """

    load: Callable[[int], np.ndarray]
    sexes: tuple[str, ...]
    ages: np.ndarray


def fine_tune(
    backbone: FrozenBackbone, films: Films, config: FineTuneConfig, *, seed: int, progress: Progress | None = None
) -> tuple[FrozenBackbone, list[float]]:
    """Train a backbone from a named block on; one epoch of the new head alone comes first.

    Args:
        backbone: it is changed in place.
        films: the training films; those that must stay unseen are left out by the caller.
        config: the block, epochs, learning rate, batch size, augmentation.
        seed: of order, augmentation and the head's weights.
        progress: called with (done, total) films over all epochs.

    Returns:
        The tuned backbone, frozen again, and the mean loss of the head's warm-up and of every epoch after it.

    Raises:
        BackboneError: when no layer's name begins with the block's, or the loss is no number.
    """
    import keras

    keras.utils.set_random_seed(seed)
    rng, count = np.random.default_rng(seed), len(films.ages)
    unfreeze(backbone.model, config.from_block)
    backbone.model.trainable, losses = False, []
    first, inputs = _inputs(backbone, films, config)
    learner = _learner(first)
    steps = config.epochs * -(-count // config.batch_size)
    rates: list[Any] = [
        _WARM_UP_RATE,
        keras.optimizers.schedules.CosineDecay(config.learning_rate, max(steps, 1), 0.02),
    ]
    for epoch in range(config.epochs + 1):
        if epoch < len(rates):
            if epoch == 1:
                unfreeze(backbone.model, config.from_block)
            learner.compile(keras.optimizers.Adam(rates[epoch], clipnorm=1.0), "categorical_crossentropy")
        total = 0.0
        for done, (batch, targets) in _batches(films, inputs, config.batch_size, rng):
            total += float(learner.train_on_batch(batch, targets, return_dict=True)["loss"]) * len(targets)
            learner.reset_metrics()
            if progress:
                progress(epoch * count + done, (config.epochs + 1) * count)
        losses.append(total / count)
        if not np.isfinite(losses[-1]):
            raise BackboneError.of("fit.tuning_diverged", rate=config.learning_rate)
    identity = identify(backbone.name, backbone.input_size, backbone.model)
    return FrozenBackbone(backbone.model, identity, backbone.batch_size), losses


def unfreeze(model: keras.Model, from_block: str) -> list[str]:
    """Make a network trainable from the first layer whose name begins with `from_block` on; return those layers' names.

    Batch normalisation keeps its statistics and its scale: small batches would spoil them.

    Raises:
        BackboneError: when there is no such layer.
    """
    import keras

    network = model.layers[-1] if hasattr(model.layers[-1], "layers") else model
    names = [layer.name for layer in network.layers]
    first = next((i for i, name in enumerate(names) if name.startswith(from_block)), None)
    if first is None or not from_block:
        known = ", ".join(dict.fromkeys(name.split("_")[0] for name in names))
        raise BackboneError.of("fit.block", known=known, given=from_block)
    model.trainable = network.trainable = True
    for i, layer in enumerate(network.layers):
        layer.trainable = i >= first and not isinstance(layer, keras.layers.BatchNormalization)
    return [layer.name for layer in network.layers if layer.trainable and layer.weights]


def augment(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror, turn, scale and brighten a prepared image uint8 (S, S) at random, a little."""
    import cv2

    height, width = image.shape
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), rng.uniform(-15, 15), rng.uniform(0.9, 1.1))
    moved = cv2.warpAffine(image, turn, (width, height), flags=cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        moved = moved[:, ::-1]
    lit = moved.astype(np.float32) * rng.uniform(0.85, 1.15) + rng.uniform(-15, 15) * (moved > 0)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)


def _inputs(
    backbone: FrozenBackbone, films: Films, config: FineTuneConfig
) -> tuple[keras.Model, Callable[[np.ndarray, np.random.Generator], np.ndarray]]:
    """Return the network to train and what gives its inputs for some rows, float32 (n, ...).

    Spatial attention stands behind a network that stays as it is: without augmentation that network's maps are the same
    in every epoch, so they are computed once, kept as float16, and the layers behind are trained on them.
    """
    if config.augment or not config.from_block.startswith(BLOCK):
        return backbone.model, lambda rows, rng: _hands(films, rows, config, backbone.input_size, rng)
    import keras

    place = backbone.model.get_layer(f"{BLOCK}1_hidden").input
    trunk, behind = keras.Model(backbone.model.input, place), keras.Model(place, backbone.model.output)
    rng, kept = np.random.default_rng(0), list[np.ndarray]()
    for start in range(0, len(films.ages), config.batch_size):
        rows = np.arange(start, min(start + config.batch_size, len(films.ages)))
        found = trunk.predict_on_batch(_hands(films, rows, config, backbone.input_size, rng))
        kept.append(np.asarray(found, np.float16))
    maps = np.concatenate(kept)
    return behind, lambda rows, rng: maps[rows].astype(np.float32)


def _hands(films: Films, rows: np.ndarray, config: FineTuneConfig, size: int, rng: np.random.Generator) -> np.ndarray:
    """Read, augment where asked, and resize some films: float32 (n, size, size, 1)."""
    with ThreadPoolExecutor(_READERS) as readers:
        images = list(readers.map(films.load, rows.tolist()))
    if config.augment:
        images = [augment(image, rng) for image in images]
    return fit_input(np.stack(images), size)[..., None].astype(np.float32)


def _learner(backbone: keras.Model) -> keras.Model:
    """Put pooling, the sex and a head for all ages behind a backbone."""
    import keras

    sex = keras.Input((1,), name="sex")
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(backbone.output)
    x = keras.layers.Concatenate(name="join")([pooled, sex])
    x = keras.layers.Dense(_HIDDEN, "relu", name="hidden")(x)
    return keras.Model([backbone.input, sex], keras.layers.Dense(len(BINS), "softmax", name="bins")(x))


def _batches(
    films: Films,
    inputs: Callable[[np.ndarray, np.random.Generator], np.ndarray],
    size: int,
    rng: np.random.Generator,
) -> Iterator[tuple[int, tuple[list[np.ndarray], np.ndarray]]]:
    """Yield how many films are done, and inputs and targets of one batch after the other, in a new order."""
    order, flags = rng.permutation(len(films.ages)), np.array([SEX_FLAGS[Sex(sex)] for sex in films.sexes], np.float32)
    targets = targets_of_kind("distribution", films.ages)
    for first in range(0, len(order), size):
        rows = order[first : first + size]
        yield first + len(rows), ([inputs(rows, rng), flags[rows, None]], targets[rows])
