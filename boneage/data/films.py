"""Read the film of a table row in its true aspect: unstretched, and one hand of two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from boneage.data.images import read_image
from boneage.data.layouts import LEFT_HALF
from boneage.data.transforms import left_half, unstretch


class FilmSource(NamedTuple):
    """What is needed to read the film of a row: small, so that worker processes get no tables."""

    image: str
    original_width: float
    original_height: float
    crop: str
    laterality: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any] | pd.Series) -> FilmSource:
        """Take it from a row of an annotation table; sizes and crop may be missing."""
        width, height = (float(row.get(key, np.nan)) for key in ("original_width", "original_height"))
        crop, side = (str(row.get(key, "") or "") for key in ("crop", "laterality"))
        return cls(str(row["image"]), width, height, crop, side)

    def fit(self, film: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Undo what was done to the stored pixels: take the half that counts, unstretch to the original's aspect."""
        if self.crop == LEFT_HALF:
            film = left_half(film)
        return unstretch(film, self.original_width, self.original_height)


def read_row(row: Mapping[str, Any] | pd.Series) -> NDArray[np.uint8]:
    """Read the film of a table row, unstretched to its original aspect where it differs by more than 1 %.

    Returns:
        uint8 (H, W); as stored, or grown where the stored picture had been squeezed.

    Raises:
        ImageError: when it cannot be read.
    """
    source = FilmSource.of(row)
    return source.fit(read_image(source.image))
