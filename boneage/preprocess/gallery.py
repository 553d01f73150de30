"""Record the picture after every preparation step, and write them as files and as a contact sheet."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Film = NDArray[np.uint8]
_CELL, _CAPTION, _GAP = 320, 26, 8


class Gallery:
    """The steps of one film; `show` is what `Preparer.prepare` wants."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, Film]] = []

    def show(self, name: str, picture: Film) -> None:
        """Keep a copy of a step's picture, uint8 (H, W)."""
        self.steps.append((name, picture.copy()))

    def write(self, folder: Path) -> list[Path]:
        """Write `1-film.png`, `2-mask.png`, ... and `steps.png` with all of them side by side.

        Returns:
            The files, in this order.
        """
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / f"{number}-{name}.png" for number, (name, _) in enumerate(self.steps, start=1)]
        for file, (_, picture) in zip(files, self.steps, strict=True):
            Image.fromarray(picture).save(file)
        sheet = folder / "steps.png"
        Image.fromarray(self.side_by_side()).save(sheet)
        return [*files, sheet]

    def side_by_side(self) -> Film:
        """Return all steps in one row, each fitted into a cell under its name, uint8 (H, W)."""
        return np.concatenate([_cell(name, picture) for name, picture in self.steps], axis=1)


def _cell(name: str, picture: Film) -> Film:
    scale = _CELL / max(picture.shape)
    width, height = (max(1, round(side * scale)) for side in (picture.shape[1], picture.shape[0]))
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    cell = np.full((_CAPTION + _CELL + _GAP, _CELL + _GAP), 255, np.uint8)
    top, left = _CAPTION + (_CELL - height) // 2, (_CELL - width) // 2
    cell[top : top + height, left : left + width] = small
    cv2.putText(cell, name, (4, _CAPTION - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 0, 1, cv2.LINE_AA)
    return cell
