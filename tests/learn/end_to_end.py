"""An embedded backbone together with the head for all ages that it was trained with, as one Keras network."""

import keras
import numpy as np

from boneage.learn import handnet, lite0
from boneage.learn.embedded import EXPECTATION

AGES = {"handnet": range(0, 229, 6), "handlite0": range(-24, 253, 6)}
"""Months that the outputs of `head_out` stand for."""


def build_end_to_end(backbone, weights="asset"):
    """Return a model from `[hand, male (N, 1) of 0 or 1]` to the age in months (N, 1), 0-228."""
    ages = np.array(AGES[backbone.name], np.float32)
    male = keras.Input((1,), name="male")
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(backbone.output)
    x = keras.layers.Concatenate(name="join")([pooled, male])
    x = keras.layers.Dense(256, activation="relu", name="head_hidden")(x)
    x = keras.layers.Dense(len(ages), activation="softmax", name="head_out")(x)
    x = keras.layers.Dense(1, use_bias=False, name=EXPECTATION)(x)
    model = keras.Model([backbone.input, male], keras.layers.ReLU(228.0, name="within")(x))
    model.get_layer(EXPECTATION).set_weights([ages[:, None]])
    (handnet if backbone.name == "handnet" else lite0).SHIPPED.give(model, weights)
    return model
