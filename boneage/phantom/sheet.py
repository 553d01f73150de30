"""Draw the contact sheet of phantoms by age and sex: `python -m boneage.phantom.sheet OUT.png`."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.groups import Sex
from boneage.phantom.hand import draw
from boneage.phantom.options import PhantomOptions

SHEET_AGES = (3.0, 12.0, 24.0, 42.0, 60.0, 84.0, 108.0, 132.0, 156.0, 180.0, 204.0, 228.0)
COLUMNS = 6


def contact_sheet(
    ages: tuple[float, ...] = SHEET_AGES, height: int = 400, options: PhantomOptions | None = None
) -> NDArray[np.uint8]:
    """Return phantoms side by side, girls above boys, six ages to a line; uint8 (H, W).

    Args:
        ages: skeletal ages in months, a multiple of six of them.
        height: height of one phantom in px.
        options: their variation; the average hand on a clean film where None.
    """
    chosen = options or PhantomOptions.plain(2 * height)
    lines = [ages[start : start + COLUMNS] for start in range(0, len(ages), COLUMNS)]
    rows = [
        np.hstack([_cell(age, sex, seed, chosen, height) for seed, age in enumerate(line)])
        for line in lines
        for sex in Sex
    ]
    return np.vstack(rows)


def _cell(age: float, sex: Sex, seed: int, options: PhantomOptions, height: int) -> NDArray[np.uint8]:
    image = draw(age, sex, seed, options).image
    scale = height / image.shape[0]
    small = cv2.resize(image, (round(image.shape[1] * scale), height), interpolation=cv2.INTER_AREA)
    width = round(height * 0.72)
    left = max((small.shape[1] - width) // 2, 0)
    cell = np.full((height + 22, width), 0, np.uint8)
    part = small[:, left : left + width]
    cell[22:, : part.shape[1]] = part
    text = f"{sex.value} {age:.0f} months"
    cv2.putText(cell, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 255, 1, cv2.LINE_AA)
    return cell


def main(arguments: list[str]) -> int:
    """Write the sheet to the one path given; return the exit status."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m boneage.phantom.sheet OUT.png\n")
        return 2
    out = Path(arguments[0])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(cv2.imencode(".png", contact_sheet(), [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
