"""An embedded backbone together with the head for all ages that it was trained with, as one network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from boneage.groups import MAX_AGE_MONTHS

if TYPE_CHECKING:
    import keras

EXPECTATION = "expectation"
"""The layer that holds the ages of the bins; all others take their weights from the backbone's file."""


def with_age_head(backbone: keras.Model, hidden: int, ages: Sequence[float]) -> keras.Model:
    """Put pooling, the sex, one hidden layer and a distribution of age behind a backbone.

    Args:
        backbone: From a hand to a map (N, h, w, C).
        hidden: Units of the hidden layer, `head_hidden`.
        ages: Months that the outputs of `head_out` stand for; they may go on beyond 0 and 228.

    Returns:
        A model from `[hand, male (N, 1) of 0 or 1]` to the expected age in months (N, 1), 0-228; its head's weights are
        random.
    """
    import keras

    male = keras.Input((1,), name="male")
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(backbone.output)
    x = keras.layers.Concatenate(name="join")([pooled, male])
    x = keras.layers.Dense(hidden, activation="relu", name="head_hidden")(x)
    x = keras.layers.Dense(len(ages), activation="softmax", name="head_out")(x)
    x = keras.layers.Dense(1, use_bias=False, name=EXPECTATION)(x)
    months = keras.layers.ReLU(float(MAX_AGE_MONTHS), name="within")(x)
    model = keras.Model([backbone.input, male], months, name=f"{backbone.name}_end_to_end")
    model.get_layer(EXPECTATION).set_weights([np.asarray(ages, np.float32)[:, None]])
    model.trainable = False
    return model
