"""Simulated hands as examples on the page; drawn in the background at the first start and kept."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import cv2

from boneage.groups import Sex
from boneage.ui.errors import Kept

# Age in months, sex and seed: hands that stand upright, are easy to see and pass the gate.
_DRAWN: tuple[tuple[float, Sex, int], ...] = (
    (30.0, Sex.FEMALE, 24),
    (66.0, Sex.MALE, 21),
    (108.0, Sex.FEMALE, 22),
    (144.0, Sex.MALE, 4),
    (162.0, Sex.FEMALE, 4),
    (204.0, Sex.MALE, 21),
)


@dataclass(frozen=True)
class Example:
    """One drawn hand: its file, sex, the age in months that it was drawn for, and the drawing's seed."""

    file: Path
    sex: Sex
    age_months: float
    seed: int


class Examples:
    """The drawn hands that the page offers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self) -> None:
        """Draw in a thread what is not there yet."""
        threading.Thread(target=self._draw, name="boneage-examples", daemon=True).start()

    def draw(self) -> None:
        """Draw what is not there yet."""
        from boneage.phantom.hand import draw

        self.folder.mkdir(parents=True, exist_ok=True)
        for example in self.all():
            if not example.file.exists():
                phantom = draw(example.age_months, example.sex, example.seed)
                part = example.file.with_suffix(".part.png")
                cv2.imwrite(str(part), phantom.image)
                part.replace(example.file)

    def ready(self) -> list[Example]:
        """List the drawn hands that are there now."""
        return [example for example in self.all() if example.file.exists()]

    def all(self) -> list[Example]:
        """List the drawn hands that the page will offer."""
        return [Example(self.folder / f"drawn-{sex}-{age:.0f}-months.png", sex, age, seed) for age, sex, seed in _DRAWN]

    def _draw(self) -> None:
        with Kept("drawing the examples"):
            self.draw()
