"""A table of films to estimate: image, sex, and where they are known age range and chronological age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from boneage.data.archives import DataError
from boneage.groups import RANGE_LABELS, Sex
from boneage.tables import read_csv

IMAGE_COLUMNS = ("image", "file", "id", "image id", "case id")
SEX_COLUMNS = ("sex", "male")
CHRONOLOGICAL = "chronological_months"
_MALE_WORDS = {"true": Sex.MALE, "1": Sex.MALE, "false": Sex.FEMALE, "0": Sex.FEMALE}


@dataclass(frozen=True)
class ListedFilm:
    """One row of a list.

    Attributes:
        image: the film, as the table names it.
        place: where it is: a path, or `archive.zip!member`.
        sex: None where the row says none.
        age_range: one of the four range labels, or None.
        chronological_months: the patient's age, or None.
    """

    image: str
    place: str
    sex: Sex | None = None
    age_range: str | None = None
    chronological_months: float | None = None


@dataclass(frozen=True)
class FilmList:
    """All rows of a table, and whether it has a column of chronological ages."""

    films: tuple[ListedFilm, ...]
    has_ages: bool


def read_list(path: Path) -> FilmList:
    """Read a CSV table of films: columns `image`, `sex`, and optionally `age_range` and `chronological_months`.

    `file`, `id`, `image id` and `case id` stand for `image` as well; `male` (true or false) stands for `sex`. Commas,
    semicolons or tabs separate. Relative places are relative to the table's folder.

    Raises:
        DataError: when it cannot be read, a column is missing, or a cell is no such value; the message names the row.
    """
    try:
        frame = read_csv(path.read_bytes()).rename(columns=str.lower)
    except (OSError, ValueError) as error:
        wanted = "give a CSV table with columns image and sex"
        raise DataError.of("list.unreadable", file=path, reason=error, wanted=wanted) from error
    names = [str(name) for name in frame.columns]
    if not set(names) & set(IMAGE_COLUMNS):
        raise DataError.of("list.columns", name=path.name, columns=", ".join(names) or "none")
    films = []
    for number, row in enumerate(frame.to_dict("records"), start=2):
        try:
            films.append(_film({str(name): str(value).strip() for name, value in row.items()}, path.parent))
        except ValueError as error:
            raise DataError.of("list.line", name=path.name, number=number, reason=error) from error
    if not films:
        raise DataError.of("list.empty", name=path.name)
    return FilmList(tuple(films), CHRONOLOGICAL in names)


def cell_of(row: Mapping[str, str], names: Sequence[str]) -> str:
    """Return the first of several columns that a row has; a KeyError names the one that is wanted."""
    for name in names:
        if name in row:
            return row[name]
    raise KeyError(names[0])


def sex_of(word: str) -> Sex | None:
    """Return the sex that a cell says (`female`, `m`, `male` as true or false), None for an empty one.

    Raises:
        ValueError: when it says none.
    """
    word = word.strip()
    return (_MALE_WORDS.get(word.lower()) or Sex.parse(word)) if word else None


def range_of(label: str) -> str | None:
    """Return a range label, None for an empty cell.

    Raises:
        ValueError: when it is none of the four.
    """
    label = label.strip()
    if label and label not in RANGE_LABELS:
        raise ValueError(f"age_range must be one of {', '.join(RANGE_LABELS)}, but is {label!r}")
    return label or None


def _film(row: Mapping[str, str], folder: Path) -> ListedFilm:
    image = cell_of(row, IMAGE_COLUMNS)
    if not image:
        raise ValueError("the image is empty")
    sex = sex_of(cell_of(row, SEX_COLUMNS)) if set(row) & set(SEX_COLUMNS) else None
    months = _months(row.get(CHRONOLOGICAL, ""))
    return ListedFilm(image, _place(image, folder), sex, range_of(row.get("age_range", "")), months)


def _place(image: str, folder: Path) -> str:
    """Return where a film is; an absolute place stays as it is."""
    return image if Path(image).is_absolute() else str(folder / image)


def _months(text: str) -> float | None:
    try:
        return float(text.replace(",", ".")) if text else None
    except ValueError as error:
        raise ValueError(f"{CHRONOLOGICAL} must be a number of months, but is {text!r}") from error
