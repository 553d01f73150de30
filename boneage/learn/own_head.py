"""The head for all ages that an embedded network was trained with, as a part of the cascade: nothing is fitted.

It knows what no head fitted on frozen features does: it learnt beside them, from views drawn anew in every pass, so it
is not taken in by how well the features know the films that the backbone has seen.
"""

from __future__ import annotations

import numpy as np

from boneage.config import Config
from boneage.learn.backbone_table import EMBEDDED, BackboneError
from boneage.learn.backbones import weights_file
from boneage.learn.embedded import read_arrays
from boneage.learn.global_head import GlobalHead, bins_of

_LAYERS = ("head_hidden", "head_out")


def own_head(config: Config) -> GlobalHead:
    """Return the head that came with a study's backbone.

    Its sex feature is 0 or 1, that of `GlobalHead` -1 or 1; the first layer is rewritten so that the ages are the same.

    Raises:
        BackboneError: when the backbone is no embedded network, has no weights with a head, or is to be tuned further.
        WeightsError: when the weights are missing or damaged.
    """
    backbone = config.backbone
    trained = backbone.name in EMBEDDED and backbone.weights not in {"none", "imagenet"}
    if not trained or config.training.fine_tune.from_block:
        raise BackboneError.of(
            "head.not_embedded",
            name=backbone.name,
            weights=backbone.weights,
            block=config.training.fine_tune.from_block,
        )
    arrays = read_arrays(weights_file(backbone))
    missing = [name for name in _LAYERS if f"{name}.kernel" not in arrays]
    if missing:
        raise BackboneError.of("head.not_in_weights", missing=", ".join(missing))
    bins_of(len(arrays["head_out.bias"]))  # refuses ages that are not those of `GlobalHead`
    kernel, bias = arrays["head_hidden.kernel"].copy(), arrays["head_hidden.bias"]
    kernel[-1] /= 2
    weights = (kernel, bias + kernel[-1], arrays["head_out.kernel"], arrays["head_out.bias"])
    return GlobalHead("distribution", tuple(np.asarray(each, np.float32) for each in weights))
