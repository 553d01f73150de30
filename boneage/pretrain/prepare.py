"""Every film of a data folder prepared once, by the very code that serves, in one array on disk."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.config import PreprocessConfig
from boneage.preprocess.preparer import Preparer
from boneage.pretrain import sources
from boneage.processes import start_worker

PREPARATION = PreprocessConfig(background="handmask", select="largest", contrast="equalize", crop=True, pad=True)
CACHED_SIDE = 256


@dataclass(frozen=True)
class Prepared:
    """Prepared films: `images` uint8 (N, CACHED_SIDE, CACHED_SIDE), and the `films` that they come from."""

    films: tuple[sources.Film, ...]
    images: NDArray[np.uint8]

    def rows(self) -> dict[sources.Film, int]:
        """Return each film's row."""
        return {film: row for row, film in enumerate(self.films)}


def preparation(contrast: str) -> PreprocessConfig:
    """Return the steps that the backbone is trained behind, with another contrast where an experiment asks for it."""
    return replace(PREPARATION, contrast=contrast)  # type: ignore[arg-type]


def prepare_all(
    data: Path,
    films: Sequence[sources.Film],
    folder: Path,
    config: PreprocessConfig,
    progress: Callable[[str], None],
) -> Prepared:
    """Prepare films with every core, or read them from `folder` where an earlier run left the same ones."""
    listing, array = folder / f"prepared-{config.contrast}.json", folder / f"prepared-{config.contrast}.npy"
    wanted = {"films": [[f.id, f.large] for f in films], "preparation": Preparer(config).sha256}
    if listing.is_file() and array.is_file() and json.loads(listing.read_text(encoding="utf-8")) == wanted:
        return Prepared(tuple(films), np.load(array, mmap_mode="r"))
    folder.mkdir(parents=True, exist_ok=True)
    shape = (len(films), CACHED_SIDE, CACHED_SIDE)
    images = np.lib.format.open_memmap(array, mode="w+", dtype=np.uint8, shape=shape)
    context = multiprocessing.get_context("spawn")
    with context.Pool(initializer=start_worker) as pool:
        one = partial(_prepare_one, data, Preparer(config, threads=1))
        for row, image in enumerate(pool.imap(one, films, chunksize=64)):
            images[row] = image
            if row % 1000 == 999:
                progress(f"prepared {row + 1} of {len(films)} films")
    images.flush()
    listing.write_text(json.dumps(wanted), encoding="utf-8")
    return Prepared(tuple(films), np.load(array, mmap_mode="r"))


def shrink_prepared(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Shrink a prepared square, uint8 (S, S), as the backbone's input is shrunk when serving."""
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _prepare_one(data: Path, preparer: Preparer, film: sources.Film) -> NDArray[np.uint8]:
    """Prepare one film; the preparer is unpickled once per chunk and opens its network at its first film."""
    grey = sources.read_film(data, film, sources.image_sizes(data))
    return shrink_prepared(_same(preparer).prepare(grey).image, CACHED_SIDE)


_opened: dict[str, Preparer] = {}


def _same(preparer: Preparer) -> Preparer:
    """Return this process's own preparer of the same steps, so that its network is opened once."""
    return _opened.setdefault(preparer.sha256, preparer)
