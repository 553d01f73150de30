"""What every backbone is given: prepared films, checked and brought to the side of its input."""

from __future__ import annotations

import numpy as np

from boneage.learn.backbone_table import BackboneError


def checked_films(images: np.ndarray) -> None:
    """Refuse anything but prepared images uint8 (N, S, S).

    Raises:
        BackboneError: when the images have another form.
    """
    if images.ndim != 3 or images.dtype != np.uint8:
        raise BackboneError.of("backbone.input", kind=images.dtype, shape=images.shape)


def fit_input(images: np.ndarray, size: int) -> np.ndarray:
    """Resize uint8 (N, S, S) to (N, size, size): by area when shrinking, bilinear when growing."""
    import cv2

    if images.shape[1:] == (size, size):
        return images
    method = cv2.INTER_AREA if min(images.shape[1:]) >= size else cv2.INTER_LINEAR
    return np.stack([cv2.resize(image, (size, size), interpolation=method) for image in images])
