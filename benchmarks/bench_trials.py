"""Trials per minute, three ways, in one run on the same data: images, folds, epochs and hyperparameters are the same.

- plain: per fold a new Keras model of backbone and head, fitted by `Model.fit` with images in, as a script does it;
- stock: features computed once, per fold a new head fitted by stock `Model.fit`;
- ours: features computed once, heads fitted by the compiled engine (`boneage.learn.fit`).

One trial is five folds. The features' one pass is counted against stock and ours in a column of its own, as if it
served this one trial: a study shares it among all its trials. Every way runs its first trial cold, tracing included;
ours is shown once more with another trial of the same architecture, which finds its graph traced.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from boneage.config import BackboneConfig, HeadParameters, TrainingConfig
from boneage.groups import ModelKey
from boneage.learn.backbones import open_backbone
from boneage.learn.crossval import cross_validate
from boneage.learn.engine import CosineSchedule
from boneage.learn.fit import Samples
from boneage.learn.heads import build_head, target_of

IMAGES, SIDE, FOLDS, EPOCHS = 150, 128, 5, 5
KEY = ModelKey.parse("regressor-male-2")
PARAMS = HeadParameters()
AGES = np.random.default_rng(1).uniform(58, 115, IMAGES).astype(np.float32)
FOLD = np.arange(IMAGES) % FOLDS
LEAST = 3.0


def main() -> int:
    films = np.random.default_rng(0).integers(0, 256, (IMAGES, SIDE, SIDE), dtype=np.uint8)
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]).compile()  # TensorFlow's own start counts for nobody
    backbone = open_backbone(BackboneConfig(), SIDE)
    began = time.perf_counter()
    features = backbone.pooled(films)
    passed = time.perf_counter() - began
    plain = seconds(lambda: fit_plainly(films))
    stock = seconds(lambda: fit_stock(features))
    ours = seconds(lambda: fit_ours(features, 1e-3))
    again = seconds(lambda: fit_ours(features, 2e-3))
    rows = {
        "plain: backbone and head per fold, images in": (plain, plain),
        "stock `fit` of heads one by one on features": (stock, stock + passed),
        "ours, first trial of its architecture": (ours, ours + passed),
        "ours, later trials": (again, again + passed),
    }
    print(f"{IMAGES} images, {FOLDS} folds, {EPOCHS} epochs; one pass of the backbone over all images: {passed:.2f} s")
    print(f"{'':<48}{'trials/minute':>14}{'with the pass':>14}{'times plain':>13}")
    for name, (alone, whole) in rows.items():
        print(f"{name:<48}{60 / alone:>14.1f}{60 / whole:>14.1f}{plain / whole:>13.1f}")
    ratio = stock / again
    print(f"ours (later trials) / stock = {ratio:.1f} (at least {LEAST})")
    return int(ratio < LEAST or plain < again + passed)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def fit_plainly(films: np.ndarray) -> None:
    inputs = films[..., None].astype(np.float32)
    for number in range(FOLDS):
        backbone = open_backbone(BackboneConfig(), SIDE)
        images = keras.Input((SIDE, SIDE, 1))
        pooled = keras.layers.GlobalAveragePooling2D()(backbone.model(images, training=False))
        head = build_head(KEY.task, pooled.shape[-1], PARAMS, target_of(KEY), seed=number)
        fit_keras(keras.Model(images, head(pooled)), inputs, number)


def fit_stock(features: np.ndarray) -> None:
    for number in range(FOLDS):
        fit_keras(build_head(KEY.task, features.shape[1], PARAMS, target_of(KEY), seed=number), features, number)


def fit_keras(model: keras.Model, inputs: np.ndarray, number: int) -> None:
    rest, watched = number != FOLD, number == FOLD
    steps = EPOCHS * -(-int(rest.sum()) // PARAMS.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(**CosineSchedule.of(PARAMS, steps).keras_arguments())
    model.compile(keras.optimizers.AdamW(schedule), loss="mean_absolute_error", jit_compile=False)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=EPOCHS, restore_best_weights=True)
    model.fit(
        inputs[rest], AGES[rest], batch_size=PARAMS.batch_size, epochs=EPOCHS, verbose=0, callbacks=[stop],
        validation_data=(inputs[watched], AGES[watched]),
    )  # fmt: skip


def fit_ours(features: np.ndarray, rate: float) -> None:
    samples = Samples(features, AGES, np.full(IMAGES, KEY.group))
    params = HeadParameters(initial_learning_rate=rate)
    cross_validate(KEY, samples, FOLD, params, TrainingConfig(epochs=EPOCHS, patience=EPOCHS), seed=1)


if __name__ == "__main__":
    sys.exit(main())
