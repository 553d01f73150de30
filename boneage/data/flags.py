"""Store saved cases: films without patient metadata, and a table of estimates and readings.

A film is saved as a PNG named by the sha256 of its pixels, so the same film again updates its row, and the history
keeps what stood there before. Many writers at once are safe: the table is SQLite, and files appear by renaming.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from boneage.data.archives import DataError
from boneage.data.flag_table import FlagTable
from boneage.files import WriteError, copy_whole, replacing, write_fault, write_whole
from boneage.groups import MAX_AGE_MONTHS, MIN_AGE_MONTHS, Sex


@dataclass(frozen=True)
class FlagRecord:
    """What is kept about a film besides its pixels.

    Attributes:
        sex: Female or male.
        estimated_age_months: What the model said.
        reader_age_months: What the reader says, if anything.
        model: The model's registered name.
        version: The model's version.
        time: When it was saved, ISO 8601 in UTC; empty for now.
        comment: Free text of the reader.
        key: The estimate's key (`boneage.ui.estimate.case.case_key`), which ties reading and film together; empty for
            what was saved before estimates had keys.
    """

    sex: Sex
    estimated_age_months: float
    reader_age_months: float | None = None
    model: str = ""
    version: str = ""
    time: str = ""
    comment: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        for age in (self.estimated_age_months, self.reader_age_months):
            if age is not None and not MIN_AGE_MONTHS <= age <= MAX_AGE_MONTHS:
                raise DataError.of("flags.age", given=age)


@dataclass(frozen=True)
class Saved:
    """Where a film was saved, and whether it had been saved before."""

    path: Path
    updated: bool


class FlagStore:
    """Films saved by readers, in one folder.

    Args:
        folder: Where they lie; made at the first film.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._table = FlagTable(self.folder / "flags.db", [field.name for field in fields(FlagRecord)])

    def add(self, pixels: NDArray[np.uint8], record: FlagRecord) -> Path:
        """Save a film, or update what is known about it, and return the PNG's path; otherwise as `save`."""
        return self.save(pixels, record).path

    def save(self, pixels: NDArray[np.uint8], record: FlagRecord) -> Saved:
        """Save a film, or update what is known about it; the history keeps every saving.

        Args:
            pixels: uint8 (H, W).
            record: What is kept about it.

        Raises:
            DataError: when the pixels are no film, or the folder cannot be written.
        """
        if pixels.ndim != 2 or pixels.dtype != np.uint8 or pixels.size == 0:
            raise DataError.of("image.not_grey", kind=pixels.dtype, shape=pixels.shape)
        name = pixels_sha256(pixels)
        path = self.image(name)
        try:
            # The film first: a row without its film would be a loss, a film without its row is saved again.
            if not path.is_file():
                with replacing(path) as stream:
                    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, format="PNG")
        except OSError as error:
            raise DataError(error.sentence if isinstance(error, WriteError) else write_fault(path, error)) from error
        time = record.time or datetime.now(UTC).isoformat(timespec="seconds")
        image = path.relative_to(self.folder).as_posix()
        known = {"sha256": name, "image": image, **asdict(record), "sex": str(record.sex), "time": time}
        return Saved(path, self._table.save(known))

    def image(self, name: str) -> Path:
        """Return where the film of a hash lies, or would lie."""
        return self.folder / "images" / f"{name}.png"

    def records(self) -> pd.DataFrame:
        """Return the saved cases, the last saved last: `sha256, image` (relative path) and `FlagRecord`'s fields.

        Raises:
            DataError: when the table cannot be read.
        """
        return self._table.records()

    def history(self) -> pd.DataFrame:
        """Return every saving in its order: `what` (`saved` or `updated`), `sha256, image` and `FlagRecord`'s fields.

        Cases that were last saved before histories were kept have none.
        """
        return self._table.history()

    def pixels(self, name: str) -> NDArray[np.uint8]:
        """Return the film of a hash, uint8 (H, W).

        Raises:
            DataError: when it is missing or damaged.
        """
        path = self.image(name)
        try:
            with Image.open(path) as film:
                return np.asarray(film.convert("L"))
        except OSError as error:
            raise DataError.of("flags.film_damaged", film=path) from error

    def export(self, out: Path, films: Mapping[str, NDArray[np.uint8]] | None = None) -> Path:
        """Write the saved cases in the layout of the RSNA training set, with the reader's age where one was given.

        Args:
            out: A folder; made when missing.
            films: By hash, what is written instead of a saved film.

        Returns:
            The table's path.

        Raises:
            DataError: when nothing was saved.
        """
        records = self.records()
        if records.empty:
            raise DataError.of("flags.nothing", folder=self.folder)
        images, text = Path(out) / "boneage-training-dataset", io.StringIO()
        ages = records["reader_age_months"].fillna(records["estimated_age_months"])
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("id", "boneage", "male"))
        for name, image, sex, age in zip(records["sha256"], records["image"], records["sex"], ages, strict=True):
            if not (self.folder / image).is_file():
                raise DataError.of("flags.film_missing", film=self.folder / image)
            if films and name in films:
                with replacing(images / f"{name}.png") as stream:
                    Image.fromarray(films[name]).save(stream, format="PNG")
            else:
                copy_whole(self.folder / image, images / f"{name}.png")
            writer.writerow((name, f"{age:g}", sex == Sex.MALE))
        return write_whole(Path(out) / "boneage-training-dataset.csv", text.getvalue())


def pixels_sha256(pixels: NDArray[np.uint8]) -> str:
    """Return the hash that identifies a film: sha256 of its height, width and pixels."""
    head = f"{pixels.shape[0]}x{pixels.shape[1]}:".encode()
    return hashlib.sha256(head + np.ascontiguousarray(pixels).tobytes()).hexdigest()
