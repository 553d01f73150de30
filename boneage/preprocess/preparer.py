"""Prepare one film as the square that the networks see, by the steps of a configuration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boneage.config import PreprocessConfig, to_mapping
from boneage.data.radiograph import ImageError
from boneage.notices import warning
from boneage.preprocess import background, posture, steps
from boneage.preprocess.field import Field
from boneage.regions import arrange
from boneage.regions.network import RegionFinder

# Raise when a step's result changes: everything prepared before is then prepared again.
STEPS_VERSION = 1
UPRIGHT_VERSION = 2  # the same for `rotate` alone
# Settings that came later: left out of the hash while they are off, so that what was prepared before stays valid.
_LATER = {"rotate": False, "mirror": "none", "arrange": "none"}
SMALLEST_SHARE = 0.03
LARGEST_SHARE = 0.98
# Regions are found, and cut out, on a hand of so many pixels a side at least.
_ARRANGED_FROM = 512
_WHOLENESS = 0.6

Show = Callable[[str, NDArray[np.uint8]], None]


@dataclass(frozen=True)
class Prepared:
    """A prepared film.

    Attributes:
        image: uint8 (S, S), what the networks see.
        mask: bool (H, W), the pixels of the film that were kept.
        box: (top, bottom, left, right) in pixels of the turned film: what was cropped to, or the whole frame.
        warnings: What a reader should know, such as a doubtful mask.
        angle: Degrees by which the film was turned counter-clockwise; 0 where it was not turned.
        mirrored: Whether left and right were exchanged.
        film: uint8 (H, W), the film that the mask belongs to, where a gate looked at (and perhaps corrected) it first.
        field: The exposed field on the film as it came, where a gate found one.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    box: steps.Box
    warnings: tuple[str, ...] = ()
    angle: float = 0.0
    mirrored: bool = False
    film: NDArray[np.uint8] | None = None
    field: Field | None = None


class Preparer:
    """Prepares films; opens its mask network at the first film, so that it pickles and starts at no cost.

    Args:
        config: The steps.
        threads: Threads of the mask network, 0 to let it choose; worker processes use 1.
        regions: The network that finds regions, for `arrange`; None for the one that ships.
    """

    def __init__(self, config: PreprocessConfig, threads: int = 0, regions: Path | None = None) -> None:
        self.config = config
        self.threads = threads
        self.finder = RegionFinder(regions)
        self._session: background.MaskFunction | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"config": self.config, "threads": self.threads, "finder": self.finder, "_session": None}

    @property
    def sha256(self) -> str:
        """What identifies the result: the configuration, the mask network's content and the version of the steps."""
        settings = {key: value for key, value in to_mapping(self.config).items() if _LATER.get(key, ...) != value}
        if self.config.rotate:
            settings["upright"] = UPRIGHT_VERSION
        if self.config.arrange != "none":
            settings["regions"] = [arrange.VERSION, hashlib.sha256(self.finder.file.read_bytes()).hexdigest()]
        settings["background"] = background.network_identity(self.config.background)
        text = json.dumps({"steps": STEPS_VERSION, **settings}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def prepare(
        self,
        image: NDArray[np.uint8],
        laterality: str | None = None,
        show: Show | None = None,
        *,
        soft: NDArray[np.uint8] | None = None,
    ) -> Prepared:
        """Remove the background, keep the hand, equalise, (turn, mirror, crop,) pad or stretch, and resize.

        Args:
            image: uint8 (H, W), 0-255.
            laterality: "L" or "R" where it is known; only `mirror` asks for it.
            show: Called with the name and the picture, uint8, of every step.
            soft: uint8 (H, W), the film's mask by this preparer's own network, where somebody has it already.

        Raises:
            ImageError: when it is no such array.
            BackgroundError: when the mask network cannot be opened.
        """
        if image.ndim != 2 or image.dtype != np.uint8 or image.size == 0:
            raise ImageError.of("image.not_grey", kind=image.dtype, shape=image.shape)
        show = show or _unseen
        show("film", image)
        mask, warnings = self._hand(image, show, soft)
        film = steps.CONTRASTS[self.config.contrast](image, mask)
        show(f"contrast-{self.config.contrast}", film)
        film, hand, angle, mirrored = self._left_and_upright(film, mask, laterality, show)
        box = steps.mask_box(hand) if self.config.crop else (0, film.shape[0], 0, film.shape[1])
        film = steps.crop(film, box)
        if self.config.crop:
            show("crop", film)
        if self.config.pad:
            film = steps.pad_to_square(film)
            show("pad", film)
        square, said = self._arranged(film, show)
        show("prepared", square)
        return Prepared(square, mask, box, (*warnings, *said), angle, mirrored)

    def _arranged(self, film: NDArray[np.uint8], show: Show) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        """Resize to the square that is wanted, and arrange the hand by its regions where the configuration asks."""
        size, how = self.config.size, self.config.arrange
        if how == "none":
            return steps.resize(film, size, size), ()
        side = max(size, _ARRANGED_FROM)
        hand = steps.resize(film, side, side)
        show("whole-hand", hand)
        found = self.finder.find(hand)
        if found.points is None:
            return steps.resize(film, size, size), (warning("arrange.no_joints"),)
        if how == "upright":
            return arrange.upright(hand, found.points, size), ()
        return arrange.mosaic(hand, found, size), ()

    def _left_and_upright(
        self, film: NDArray[np.uint8], mask: NDArray[np.bool_], laterality: str | None, show: Show
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_], float, bool]:
        """Turn and mirror film and mask as the configuration asks; returns both, the angle, and whether mirrored."""
        angle = posture.upright_angle(mask) if self.config.rotate else 0.0
        if angle:
            film, mask = posture.turn(film, angle), posture.turn_mask(mask, angle)
            show("upright", film)
        mirrored = self.config.mirror == "right" and laterality == "R"
        if mirrored:
            film, mask = posture.mirror(film), posture.mirror(mask)
            show("mirror", film)
        return film, mask, angle, mirrored

    def _hand(
        self, image: NDArray[np.uint8], show: Show, soft: NDArray[np.uint8] | None
    ) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
        """Find the hand; where the mask is doubtful the whole film is kept, and a warning says so."""
        everything = np.ones(image.shape, bool)
        if image.min() == image.max():
            return everything, (warning("mask.blank"),)
        if self.config.background == background.NONE:
            return everything, ()
        soft = self._mask(image) if soft is None else soft
        show("mask", soft)
        found = soft >= 128
        mask = steps.select_object(found) if self.config.select == "largest" else found
        if show is not _unseen:
            show("object", steps.apply_mask(image, mask))
        share = float(mask.mean())
        if not SMALLEST_SHARE <= share <= LARGEST_SHARE:
            return everything, (warning("mask.no_hand", share=share),)
        if self.config.select == "largest" and mask.sum() < _WHOLENESS * found.sum():
            return mask, (warning("mask.parts"),)
        return mask, ()

    def _mask(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._session is None:
            self._session = background.mask_session(self.config.background, self.threads)
        return self._session(image)


def _unseen(_name: str, _picture: NDArray[np.uint8]) -> None:
    """Nobody watches the steps."""
