"""What one estimate costs, as a ratio measured in one run: estimate / (bare forward pass + preprocessing) <= 1.15.

The bare pass is EfficientNetV2B0 at 500 x 500, called as cheaply as Keras can (a traced function). Weights do not
matter for time. The three take turns in random order and medians are taken, so that a busy machine disturbs all alike.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from boneage.cascade.cascade import Cascade
from boneage.cascade.routing import Head
from boneage.config import BackboneConfig, Config, HeadParameters, PreprocessConfig
from boneage.groups import AGE_GROUPS, ALL_MODELS
from boneage.learn.backbones import open_backbone
from boneage.learn.heads import build_head
from boneage.preprocess.preparer import Preparer

LIMIT = 1.15
ROUNDS = 40
SIDE = 500


def main() -> int:
    cascade = build_cascade()
    film = np.random.default_rng(0).integers(0, 256, (1024, 800), dtype=np.uint8)
    prepared = cascade.prepare(film)
    batch = prepared.image[None, ..., None].astype(np.float32)
    bare_pass = bare(cascade)
    steps: dict[str, Callable[[], object]] = {
        "preprocessing": lambda: cascade.prepare(film),
        "bare pass": lambda: np.asarray(bare_pass(batch)),
        "estimate": lambda: cascade.estimate(film, "female"),
    }
    order = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(ROUNDS + 2):
        # In another order each time: a pass right after another pass finds warm threads and caches.
        for name in order.permutation(list(steps)):
            start = time.perf_counter()
            steps[name]()
            if number >= 2:
                seconds[name].append(time.perf_counter() - start)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = middle["estimate"] / (middle["bare pass"] + middle["preprocessing"])
    for name, value in middle.items():
        print(f"{name:<16} {1000 * value:8.1f} ms")
    print(f"estimate / (bare pass + preprocessing) = {ratio:.3f} (limit {LIMIT})")
    return int(ratio > LIMIT)


def build_cascade() -> Cascade:
    preprocess = PreprocessConfig(background="none", size=SIDE)
    backbone = BackboneConfig(name="EfficientNetV2B0", weights="none", input_size=SIDE)
    config = Config(preprocess=preprocess, backbone=backbone)
    frozen = open_backbone(backbone, SIDE)
    params = HeadParameters()
    heads = {}
    for key in ALL_MODELS:
        group = None if key.group is None else AGE_GROUPS[key.group - 1]
        model = build_head(key.task, frozen.features, params, group)
        heads[key] = Head(key, params, tuple(model.get_weights()))
    return Cascade(Preparer(preprocess), frozen, heads, config)


def bare(cascade: Cascade) -> Callable[[np.ndarray], object]:
    import tensorflow as tf

    model = cascade.backbone.model
    return tf.function(lambda x: model(x, training=False))


if __name__ == "__main__":
    sys.exit(main())
