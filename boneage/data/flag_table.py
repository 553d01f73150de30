"""The table of saved cases and its history, in one SQLite file that many programs may write at once."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from boneage.data.archives import DataError
from boneage.databases import sqlite_fault

_WAIT_SECONDS = 60.0
_FLAGS = """CREATE TABLE IF NOT EXISTS flags (
    sha256 TEXT PRIMARY KEY, image TEXT NOT NULL, sex TEXT NOT NULL, estimated_age_months REAL NOT NULL,
    reader_age_months REAL, model TEXT NOT NULL, version TEXT NOT NULL, time TEXT NOT NULL, comment TEXT NOT NULL,
    key TEXT NOT NULL DEFAULT '')"""
_HISTORY = """CREATE TABLE IF NOT EXISTS history (
    number INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL, sha256 TEXT NOT NULL, image TEXT NOT NULL,
    sex TEXT NOT NULL, estimated_age_months REAL NOT NULL, reader_age_months REAL, model TEXT NOT NULL,
    version TEXT NOT NULL, time TEXT NOT NULL, comment TEXT NOT NULL, key TEXT NOT NULL DEFAULT '')"""
# In the order of saving, whatever the clock said; cases of before there was a history come first, by their times.
_ORDER = """SELECT {columns} FROM flags LEFT JOIN (SELECT sha256 AS film, MAX(number) AS number FROM history GROUP BY
    sha256) ON film = sha256 ORDER BY number IS NOT NULL, number, time, sha256"""


class FlagTable:
    """Rows of saved cases, one per film, and a history of every saving.

    Args:
        file: the SQLite file; made at the first row.
        fields: the columns beside `sha256` and `image`.
    """

    def __init__(self, file: Path, fields: Sequence[str]) -> None:
        self._file = file
        self._columns = ["sha256", "image", *fields]

    def save(self, values: Mapping[str, Any]) -> bool:
        """Add or replace a film's row and note it in the history; return whether there was one.

        Raises:
            DataError: when the table cannot be written.
        """
        columns = ", ".join(self._columns)
        marks = ", ".join(f":{name}" for name in self._columns)
        with self._writing() as table:
            known = table.execute("SELECT 1 FROM flags WHERE sha256 = :sha256", values).fetchone() is not None
            noted = table.execute("SELECT 1 FROM history WHERE sha256 = :sha256", values).fetchone() is not None
            if known and not noted:
                # Saved before histories were kept: what stood there is not lost now.
                table.execute(
                    f"INSERT INTO history (what, {columns}) SELECT 'saved', {columns} FROM flags WHERE sha256 = ?",
                    (values["sha256"],),
                )
            table.execute(f"INSERT OR REPLACE INTO flags ({columns}) VALUES ({marks})", values)
            what = "updated" if known else "saved"
            table.execute(f"INSERT INTO history (what, {columns}) VALUES (:what, {marks})", {**values, "what": what})
        return known

    def records(self) -> pd.DataFrame:
        """Return the rows, the last saved last.

        Raises:
            DataError: when the table cannot be read.
        """
        return self._read("flags", self._columns, _ORDER)

    def history(self) -> pd.DataFrame:
        """Return every saving in its order, with `what` (`saved` or `updated`) as the first column.

        Raises:
            DataError: when the table cannot be read.
        """
        return self._read("history", ["what", *self._columns], "SELECT {columns} FROM history ORDER BY number")

    def _read(self, name: str, columns: Sequence[str], query: str) -> pd.DataFrame:
        if not self._file.is_file():
            return _frame([], columns)
        try:
            # A store on a read-only disk opens as well; elsewhere what a killed writer left is rolled back first.
            mode = "rw" if os.access(self._file, os.W_OK) and os.access(self._file.parent, os.W_OK) else "ro"
            place = f"{self._file.resolve().as_uri()}?mode={mode}"
            with closing(sqlite3.connect(place, _WAIT_SECONDS, uri=True)) as table:
                there = {row[1] for row in table.execute(f"PRAGMA table_info({name})")}
                if not there:
                    return _frame([], columns)
                # Tables of earlier versions have neither keys nor a history.
                chosen = ", ".join(each if each in there else f"'' AS {each}" for each in columns)
                if name == "flags" and not table.execute("PRAGMA table_info(history)").fetchone():
                    query = "SELECT {columns} FROM flags ORDER BY time, sha256"
                return _frame(table.execute(query.format(columns=chosen)).fetchall(), columns)
        except sqlite3.Error as error:
            raise DataError(sqlite_fault(self._file, error)) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Open the table within one exclusive transaction; others wait for their turn."""
        try:
            with closing(sqlite3.connect(self._file, timeout=_WAIT_SECONDS, isolation_level=None)) as table:
                table.execute("BEGIN IMMEDIATE")
                table.execute(_FLAGS)
                table.execute(_HISTORY)
                table.execute("CREATE INDEX IF NOT EXISTS history_film ON history (sha256)")
                if "key" not in {row[1] for row in table.execute("PRAGMA table_info(flags)")}:
                    table.execute("ALTER TABLE flags ADD COLUMN key TEXT NOT NULL DEFAULT ''")
                yield table
                table.execute("COMMIT")
        except sqlite3.Error as error:
            raise DataError(sqlite_fault(self._file, error)) from error


def _frame(rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> pd.DataFrame:
    frame = pd.DataFrame.from_records(rows, columns=list(columns))
    return frame.astype({"estimated_age_months": float, "reader_age_months": float})
