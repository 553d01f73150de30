"""Weigh the places of a backbone's map by spatial attention: small layers behind it that learn where to look.

After the idea of Zulkifley et al. 2021 (Diagnostics 11:765), whose network has several spatial attention layers. Here
two of them read the last map of a network that was trained on hands; each weighs every place of it, and the averages of
both weighted maps are the features. They start with equal weights everywhere and learn by fine-tuning from `attention`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

LAYERS = 2
BLOCK = "attention"
_HIDDEN = 32


def attended(base: keras.Model, name: str) -> keras.Model:
    """Put spatial attention behind a network.

    Args:
        base: float (N, s, s, 1) of 0-255 -> map (N, h, w, C).
        name: what the new network is called.

    Returns:
        The same input -> map (N, h, w, 2 C): the map twice, weighed by each attention layer's weights of 0 to 1.
    """
    import keras
    from keras import layers

    weighed = []
    for number in range(1, LAYERS + 1):
        start = keras.initializers.GlorotUniform(seed=number)
        hidden = layers.Conv2D(_HIDDEN, 1, activation="relu", kernel_initializer=start, name=f"{BLOCK}{number}_hidden")
        weight = layers.Conv2D(
            1, 3, padding="same", activation="sigmoid", kernel_initializer="zeros", name=f"{BLOCK}{number}_weight"
        )
        weighed.append(layers.Multiply(name=f"{BLOCK}{number}")([base.output, weight(hidden(base.output))]))
    model = keras.Model(base.input, layers.Concatenate(name=f"{BLOCK}s")(weighed), name=name)
    model.trainable = False
    return model
