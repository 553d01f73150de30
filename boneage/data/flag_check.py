"""Look for saved cases whose film, estimate and reading may not belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from boneage.data.flags import FlagStore, pixels_sha256

FAR_MONTHS = 24.0
"""Readers and models seldom differ by more: about two standard deviations of bone age at the same chronological age."""
_NEAR_MONTHS = 12.0
_SOON = pd.Timedelta(minutes=5)


@dataclass(frozen=True)
class Doubt:
    """A saved case that may be mixed up or damaged.

    Attributes:
        sha256: the film's hash, which is the case's name.
        sentence: what was found, and what to do.
    """

    sha256: str
    sentence: str


def check_flags(store: FlagStore, progress: Callable[[int, int], None] | None = None) -> list[Doubt]:
    """List the cases of a store whose film is gone or changed, or whose reading may be that of another film.

    Until estimates had keys, a reading that was sent after a failed estimate was saved with the film before it. Such a
    case cannot be told for sure; readings far from the estimate are listed, and those that were saved again at once
    with another film.

    Args:
        store: the saved cases.
        progress: called with the films that were read so far, and all.

    Raises:
        DataError: when the table cannot be read.
    """
    records, history = store.records(), store.history()
    doubts = [*_mixed(records), *_changed(history)]
    for done, row in enumerate(records.to_dict("records"), start=1):
        sentence = _film(store.folder / row["image"], row["sha256"])
        if sentence:
            doubts.append(Doubt(row["sha256"], sentence))
        if progress is not None:
            progress(done, len(records))
    return doubts


def _mixed(records: pd.DataFrame) -> Iterator[Doubt]:
    """Yield cases without a key whose reading is far from the estimate, or went to another film right after."""
    rows = records[(records["key"] == "") & records["reader_age_months"].notna()].to_dict("records")
    for place, row in enumerate(rows):
        apart = abs(row["reader_age_months"] - row["estimated_age_months"])
        repeated = place + 1 < len(rows) and _same_reading(row, rows[place + 1])
        if apart > FAR_MONTHS or (repeated and apart > _NEAR_MONTHS):
            said = f"estimate {row['estimated_age_months']:.1f} months, reading {row['reader_age_months']:.1f}"
            again = "; the same reading was saved with another film right after" if repeated else ""
            yield Doubt(
                row["sha256"],
                f"the reading may be another film's ({said}, saved {row['time']} without the estimate's key){again}: "
                "look at the film, and save it again with the right reading",
            )


def _same_reading(row: dict[Any, Any], later: dict[Any, Any]) -> bool:
    same = (row["reader_age_months"], row["comment"]) == (later["reader_age_months"], later["comment"])
    gap = pd.Timestamp(later["time"]) - pd.Timestamp(row["time"])
    return bool(same and pd.Timedelta(0) <= gap <= _SOON)


def _changed(history: pd.DataFrame) -> Iterator[Doubt]:
    """Yield cases whose reading was changed by much when they were saved again."""
    for name, rows in history.groupby("sha256", sort=False):
        readings = rows["reader_age_months"].dropna()
        if len(readings) > 1 and abs(readings.iloc[-1] - readings.iloc[-2]) > FAR_MONTHS:
            yield Doubt(
                str(name),
                f"the reading was changed from {readings.iloc[-2]:.1f} to {readings.iloc[-1]:.1f} months at "
                f"{rows['time'].iloc[-1]}: look at the film, and save it again if the last one is wrong",
            )


def _film(path: Path, name: str) -> str:
    """Return what is wrong with a film's file; empty when it is there and unchanged."""
    try:
        with Image.open(path) as picture:
            found = pixels_sha256(np.asarray(picture))
    except FileNotFoundError:
        return f"the film is gone from {path}: restore it from a backup, or estimate and save it again"
    except (OSError, SyntaxError, ValueError) as error:
        return f"the film in {path} cannot be read ({error}): restore it from a backup, or save it again"
    if found != name:
        return f"the film in {path} is not the one that was saved: restore it from a backup, or save it again"
    return ""
