"""Convert films to the input of the `handmask` segmentation network, and its output to a mask.

The network takes one letterboxed film and gives the probability of hand or forearm at each pixel. Which engine runs it
is somebody else's choice: `boneage.preprocess.background` runs it as a rembg session.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.shipped import checked_asset

SIDE = 256
ASSETS = Path(__file__).resolve().parent.parent / "assets"


def model_path() -> Path:
    """Return the shipped network's file after comparing it with its record.

    Raises:
        ShippedError: when the network or its record is missing or not the right one.
    """
    return checked_asset(ASSETS / "handmask.onnx", ASSETS / "handmask.json")


def letterbox_size(shape: tuple[int, int], side: int = SIDE) -> tuple[int, int]:
    """Return the (height, width) in pixels that a film of `shape` (H, W) takes in the square input."""
    scale = side / max(shape)
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def network_input(grey: NDArray[np.uint8], side: int = SIDE) -> NDArray[np.float32]:
    """Prepare a film for the network.

    The film is resized with its aspect kept into the upper left of a square and stretched between its 1st and 99th
    percentile; padding is -1, like black. A blank film becomes all -1, never NaN.

    Args:
        grey: uint8 (H, W), 0-255.
        side: The square's side in pixels.

    Returns:
        float32 (1, 1, side, side), -1 to 1.

    Raises:
        ValueError: when the film is not a uint8 image of two dimensions with at least one pixel.
    """
    if grey.ndim != 2 or grey.dtype != np.uint8 or grey.size == 0:
        raise ValueError(f"a film must be uint8 (H, W) and not empty, but {grey.dtype} {grey.shape} was given")
    height, width = letterbox_size((grey.shape[0], grey.shape[1]), side)
    shrinks = max(grey.shape) > side
    small = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    square = np.full((1, 1, side, side), -1, np.float32)
    square[0, 0, :height, :width] = stretch(np.asarray(small, np.float32))
    return square


def stretch(film: NDArray[np.float32]) -> NDArray[np.float32]:
    """Stretch grey levels (H, W) of any scale between their 1st and 99th percentile to -1..1; blank gives -1."""
    low, high = np.percentile(film, (1, 99))
    stretched = np.clip((film - low) / max(float(high - low), 1.0), 0, 1) * 2 - 1
    return np.asarray(stretched, np.float32)


def mask_from_output(output: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Turn the network's answer into a mask of the film.

    Args:
        output: float32 (1, 1, side, side), probabilities 0-1.
        shape: The film's (H, W) in pixels.

    Returns:
        uint8 (H, W), 0 (background) to 255 (hand); 128 and above is hand.
    """
    probability = np.nan_to_num(output[0, 0], nan=0.0)
    height, width = letterbox_size(shape, probability.shape[0])
    part = np.ascontiguousarray(probability[:height, :width], dtype=np.float32)
    full = cv2.resize(part, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(np.rint(full * 255), 0, 255), dtype=np.uint8)
