"""List the images that the embedded backbone was trained on: metrics on such images look better than they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boneage.config import BackboneConfig
from boneage.files import replacing
from boneage.learn.backbone_table import ATTENTIVE, EMBEDDED
from boneage.paths import assets

SEEN_FILE = "handnet_seen.npz"
_DIGITS = 16


@dataclass(frozen=True)
class SeenImages:
    """Pixel hashes of the images a backbone learnt from, by the first 64 bits of their sha256."""

    prefixes: frozenset[int]

    def saw(self, content_sha256: str) -> bool:
        """Tell whether the backbone was trained on a picture with this hash of its decoded pixels."""
        return int(content_sha256[:_DIGITS], 16) in self.prefixes

    def describe(self, content_sha256: Iterable[str]) -> str:
        """Return `none`, `all`, or the share such as `4310 of 5000` for the run's tag `backbone_saw_images`."""
        hashes = list(content_sha256)
        count = sum(self.saw(name) for name in hashes)
        if count == 0:
            return "none"
        return "all" if count == len(hashes) else f"{count} of {len(hashes)}"


def seen_images(backbone: BackboneConfig) -> SeenImages:
    """Return the images that a configured backbone has seen: only the embedded weights were trained on radiographs.

    One list serves for all of them, because they learnt from the same children.
    """
    file = assets() / SEEN_FILE
    if ATTENTIVE.get(backbone.name, backbone.name) not in EMBEDDED or backbone.weights != "asset" or not file.is_file():
        return SeenImages(frozenset())
    with np.load(file, allow_pickle=False) as arrays:
        return SeenImages(frozenset(int(value) for value in arrays["sha256_prefixes"]))


def seen_too(seen: SeenImages, content_sha256: Iterable[str]) -> SeenImages:
    """Return what a backbone has seen after it learnt from some more images."""
    return SeenImages(seen.prefixes | {int(name[:_DIGITS], 16) for name in content_sha256})


def save_seen(content_sha256: Iterable[str], file: Path) -> Path:
    """Write the hashes of a backbone's training images, uint64, sorted."""
    prefixes = np.array(sorted(int(name[:_DIGITS], 16) for name in set(content_sha256)), np.uint64)
    with replacing(file) as stream:
        np.savez_compressed(stream, sha256_prefixes=prefixes)
    return file
