"""One film to the prepared square, by the steps of a configuration, in the order of METHOD.md part 3."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boneage.config import PreprocessConfig, to_mapping
from boneage.data.images import ImageError
from boneage.preprocess import background, steps

# Raise when a step's result changes: everything prepared before is then prepared again.
STEPS_VERSION = 1
SMALLEST_SHARE = 0.03
LARGEST_SHARE = 0.98
_WHOLENESS = 0.6


@dataclass(frozen=True)
class Prepared:
    """A prepared film.

    Attributes:
        image: uint8 (S, S), what the networks see.
        mask: bool (H, W), the pixels of the film that were kept.
        box: (top, bottom, left, right) in pixels of the film: what was cropped to, or the whole frame.
        warnings: What a reader should know, such as a doubtful mask.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    box: steps.Box
    warnings: tuple[str, ...] = ()


class Preparer:
    """Prepares films; opens its mask network at the first film, so that it pickles and starts at no cost.

    Args:
        config: The steps.
        threads: Threads of the mask network, 0 to let it choose; worker processes use 1.
    """

    def __init__(self, config: PreprocessConfig, threads: int = 0) -> None:
        self.config = config
        self.threads = threads
        self._session: background.MaskFunction | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"config": self.config, "threads": self.threads, "_session": None}

    @property
    def sha256(self) -> str:
        """What identifies the result: the configuration, the mask network's content and the version of the steps."""
        settings = to_mapping(self.config)
        settings["background"] = background.network_identity(self.config.background)
        text = json.dumps({"steps": STEPS_VERSION, **settings}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def prepare(self, image: NDArray[np.uint8]) -> Prepared:
        """Remove the background, keep the hand, equalise, (crop,) pad or stretch, and resize.

        Args:
            image: uint8 (H, W), 0-255.

        Raises:
            ImageError: when it is no such array.
            BackgroundError: when the mask network cannot be opened.
        """
        if image.ndim != 2 or image.dtype != np.uint8 or image.size == 0:
            raise ImageError(f"a film must be grey uint8 (H, W), but {image.dtype} {image.shape} was given")
        mask, warnings = self._hand(image)
        film = steps.CONTRASTS[self.config.contrast](image, mask)
        box = steps.mask_box(mask) if self.config.crop else (0, image.shape[0], 0, image.shape[1])
        film = steps.crop(film, box)
        if self.config.pad:
            film = steps.pad_to_square(film)
        return Prepared(steps.resize(film, self.config.size, self.config.size), mask, box, warnings)

    def _hand(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
        """Find the hand; where the mask is doubtful the whole film is kept, and a warning says so."""
        everything = np.ones(image.shape, bool)
        if image.min() == image.max():
            return everything, ("the image is blank: it has one single grey level",)
        if self.config.background == background.NONE:
            return everything, ()
        found = self._mask(image) >= 128
        mask = steps.select_object(found) if self.config.select == "largest" else found
        share = float(mask.mean())
        if not SMALLEST_SHARE <= share <= LARGEST_SHARE:
            return everything, (f"no hand was found (its mask is {share:.0%} of the film): the whole film was used",)
        if self.config.select == "largest" and mask.sum() < _WHOLENESS * found.sum():
            return mask, ("the mask fell into several parts: the largest was used",)
        return mask, ()

    def _mask(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._session is None:
            self._session = background.mask_session(self.config.background, self.threads)
        return self._session(image)
