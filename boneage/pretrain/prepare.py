"""Every film of a data folder prepared once, as the shipped pipeline does it, in one array on disk."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from boneage.preprocess import handmask
from boneage.pretrain import sources

PREPARED_SIDE = 500
CACHED_SIDE = 256
MARGIN = 0.04


@dataclass(frozen=True)
class Prepared:
    """Prepared films: `images` uint8 (N, CACHED_SIDE, CACHED_SIDE), and the `films` that they come from."""

    films: tuple[sources.Film, ...]
    images: NDArray[np.uint8]

    def rows(self) -> dict[sources.Film, int]:
        """Return each film's row."""
        return {film: row for row, film in enumerate(self.films)}


def prepare_all(
    data: Path, films: Sequence[sources.Film], folder: Path, progress: Callable[[str], None], *, equalise: bool = True
) -> Prepared:
    """Prepare films with every core, or read them from `folder` where an earlier run with the same films left them."""
    name = "equalised" if equalise else "plain"
    listing, array = folder / f"prepared-{name}.json", folder / f"prepared-{name}.npy"
    wanted = {"films": [[f.id, f.large] for f in films], "mask": handmask.model_path().stat().st_size}
    if listing.is_file() and array.is_file() and json.loads(listing.read_text(encoding="utf-8")) == wanted:
        return Prepared(tuple(films), np.load(array, mmap_mode="r"))
    folder.mkdir(parents=True, exist_ok=True)
    shape = (len(films), CACHED_SIDE, CACHED_SIDE)
    images = np.lib.format.open_memmap(array, mode="w+", dtype=np.uint8, shape=shape)
    context = multiprocessing.get_context("spawn")
    with context.Pool(initializer=_start_worker, initargs=(data,)) as pool:
        for row, image in enumerate(pool.imap(partial(_prepare_one, equalise=equalise), films, chunksize=32)):
            images[row] = image
            if row % 1000 == 999:
                progress(f"prepared {row + 1} of {len(films)} films")
    images.flush()
    listing.write_text(json.dumps(wanted), encoding="utf-8")
    return Prepared(tuple(films), np.load(array, mmap_mode="r"))


def prepare_film(
    grey: NDArray[np.uint8], mask: NDArray[np.uint8], side: int = PREPARED_SIDE, *, equalise: bool = True
) -> NDArray[np.uint8]:
    """Prepare one film: the hand alone, its histogram equalised, cropped with a margin, padded and resized to a square.

    Args:
        grey: The film, uint8 (H, W).
        mask: Its hand, uint8 (H, W), 128 and above is hand; where there is none the whole film is kept.
        side: Side of the result in pixels.
        equalise: Whether to equalise the histogram of the hand (black is left out of it).

    Returns:
        uint8 (side, side), background 0.
    """
    hand = largest_object(mask)
    if not hand.any():
        hand = np.full_like(hand, 255)
    alone = cv2.bitwise_and(grey, hand)
    if equalise:
        alone = cv2.equalizeHist(alone)
    x, y, width, height = cv2.boundingRect(hand)
    margin = round(MARGIN * max(width, height))
    square = max(width, height) + 2 * margin
    canvas = np.zeros((square, square), np.uint8)
    top, left = (square - height) // 2, (square - width) // 2
    canvas[top : top + height, left : left + width] = alone[y : y + height, x : x + width]
    method = cv2.INTER_AREA if square > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(canvas, (side, side), interpolation=method), dtype=np.uint8)


def largest_object(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep the largest connected object of a mask, cut at 128: uint8 (H, W) of 0 or 255."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((mask >= 128).astype(np.uint8), connectivity=8)
    if count <= 1:
        return np.zeros_like(mask)
    biggest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return np.where(labels == biggest, 255, 0).astype(np.uint8)


_worker: dict[str, object] = {}


def _start_worker(data: Path) -> None:
    """Open what a worker process needs once."""
    cv2.setNumThreads(1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(handmask.model_path()), options, providers=["CPUExecutionProvider"])
    _worker.update(data=data, sizes=sources.image_sizes(data), session=session)


def _prepare_one(film: sources.Film, *, equalise: bool) -> NDArray[np.uint8]:
    data, sizes, session = _worker["data"], _worker["sizes"], _worker["session"]
    grey = sources.read_film(data, film, sizes)  # type: ignore[arg-type]
    (output,) = session.run(None, {"film": handmask.network_input(grey)})  # type: ignore[attr-defined]
    mask = handmask.mask_from_output(output, (grey.shape[0], grey.shape[1]))
    prepared = prepare_film(grey, mask, equalise=equalise)
    return np.asarray(cv2.resize(prepared, (CACHED_SIDE, CACHED_SIDE), interpolation=cv2.INTER_AREA), dtype=np.uint8)
