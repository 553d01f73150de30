"""The flag-to-save store: films without any patient metadata, and a table of what was estimated and read.

A film is saved as a PNG named by the sha256 of its pixels, so the same film again updates its row. Many writers at once
are safe: the table is SQLite, and files appear by renaming.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from boneage.data.archives import DataError
from boneage.groups import MAX_AGE_MONTHS, MIN_AGE_MONTHS, Sex

_WAIT_SECONDS = 60.0
_TABLE = """CREATE TABLE IF NOT EXISTS flags (
    sha256 TEXT PRIMARY KEY, image TEXT NOT NULL, sex TEXT NOT NULL, estimated_age_months REAL NOT NULL,
    reader_age_months REAL, model TEXT NOT NULL, version TEXT NOT NULL, time TEXT NOT NULL, comment TEXT NOT NULL)"""


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
    """

    sex: Sex
    estimated_age_months: float
    reader_age_months: float | None = None
    model: str = ""
    version: str = ""
    time: str = ""
    comment: str = ""

    def __post_init__(self) -> None:
        for age in (self.estimated_age_months, self.reader_age_months):
            if age is not None and not MIN_AGE_MONTHS <= age <= MAX_AGE_MONTHS:
                raise DataError(f"an age must be within 0-228 months, but {age!r} was given")


class FlagStore:
    """Films saved by readers, in one folder.

    Args:
        folder: Where they lie; made at the first film.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def add(self, pixels: NDArray[np.uint8], record: FlagRecord) -> Path:
        """Save a film, or update what is known about it.

        Args:
            pixels: uint8 (H, W).
            record: What is kept about it.

        Returns:
            The PNG's path.

        Raises:
            DataError: when the pixels are no film, or the folder cannot be written.
        """
        if pixels.ndim != 2 or pixels.dtype != np.uint8 or pixels.size == 0:
            raise DataError(f"a film must be grey uint8 (H, W), but {pixels.dtype} {pixels.shape} was given")
        name = pixels_sha256(pixels)
        path = self.folder / "images" / f"{name}.png"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_png(path, pixels)
            with self._table() as table:
                _upsert(table, name, path.relative_to(self.folder).as_posix(), record)
        except (OSError, sqlite3.Error) as error:
            raise DataError(f"the film cannot be saved in {self.folder}: {error}") from error
        return path

    def records(self) -> pd.DataFrame:
        """Return the saved cases, oldest first: `sha256, image` (relative path) and the fields of `FlagRecord`."""
        columns = ["sha256", "image", *(field.name for field in fields(FlagRecord))]
        if not self._database.is_file():
            return pd.DataFrame(columns=columns)
        with self._table() as table:
            frame = pd.read_sql_query(f"SELECT {', '.join(columns)} FROM flags ORDER BY time, sha256", table)
        return frame.astype({"estimated_age_months": float, "reader_age_months": float})

    def export(self, out: Path) -> Path:
        """Write the saved cases in the layout of the RSNA training set, with the reader's age where one was given.

        Args:
            out: A folder; made when missing.

        Returns:
            The table's path.

        Raises:
            DataError: when nothing was saved.
        """
        records = self.records()
        if records.empty:
            raise DataError(f"nothing was saved in {self.folder} yet: save a case on the page first")
        images = Path(out) / "boneage-training-dataset"
        images.mkdir(parents=True, exist_ok=True)
        table = Path(out) / "boneage-training-dataset.csv"
        ages = records["reader_age_months"].fillna(records["estimated_age_months"])
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("id", "boneage", "male"))
            for name, image, sex, age in zip(records["sha256"], records["image"], records["sex"], ages, strict=True):
                shutil.copyfile(self.folder / image, images / f"{name}.png")
                writer.writerow((name, f"{age:g}", sex == Sex.MALE))
        return table

    @property
    def _database(self) -> Path:
        return self.folder / "flags.db"

    @contextmanager
    def _table(self) -> Iterator[sqlite3.Connection]:
        """Open the table within one exclusive transaction; others wait for their turn."""
        with closing(sqlite3.connect(self._database, timeout=_WAIT_SECONDS, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_TABLE)
            yield connection
            connection.execute("COMMIT")


def pixels_sha256(pixels: NDArray[np.uint8]) -> str:
    """Return the hash that identifies a film: sha256 of its height, width and pixels."""
    head = f"{pixels.shape[0]}x{pixels.shape[1]}:".encode()
    return hashlib.sha256(head + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a PNG of pixels and nothing else, whole or not at all."""
    if path.is_file():
        return
    temporary = path.with_name(f".{path.stem[:16]}.{os.getpid()}.{id(pixels)}")
    Image.fromarray(np.ascontiguousarray(pixels)).save(temporary, format="PNG")
    temporary.replace(path)


def _upsert(table: sqlite3.Connection, name: str, image: str, record: FlagRecord) -> None:
    time = record.time or datetime.now(UTC).isoformat(timespec="seconds")
    values = {"sha256": name, "image": image, **asdict(record), "sex": str(record.sex), "time": time}
    columns, marks = ", ".join(values), ", ".join(f":{key}" for key in values)
    updates = ", ".join(f"{key} = excluded.{key}" for key in values if key != "sha256")
    table.execute(f"INSERT INTO flags ({columns}) VALUES ({marks}) ON CONFLICT(sha256) DO UPDATE SET {updates}", values)
