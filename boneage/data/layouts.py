"""Recognise the columns of label tables: known headers, and sex and age in any usual spelling.

The Digital Hand Atlas says both in its folders' names, `JPEGimages/ASIF/ASIF05/5262.jpg`: the number is the child's age
in completed years, so the middle of that year is taken (5 means 66 months). The readings of its headerless table can be
used instead by naming its columns by number, from 1, in the source's `columns`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from boneage.data.archives import DataError, read_bytes
from boneage.data.transforms import LEFT_HALF
from boneage.groups import MAX_AGE_MONTHS, MIN_AGE_MONTHS, Sex
from boneage.tables import read_csv

_HEADERS: dict[str, tuple[str, ...]] = {
    "id": ("id", "image id", "case id", "study id", "case", "imageid", "caseid"),
    "image": ("image", "file", "filename", "file name", "path", "image path"),
    "dir": ("dir", "folder"),
    "sex": ("sex", "gender", "male"),
    "age_months": (
        "boneage", "bone age", "bone age (months)", "ground truth bone age (months)", "age months", "age (months)",
        "bone age months", "age in months", "boneage months",
    ),
    "age_years": ("age years", "age (years)", "bone age (years)", "bone age years", "age in years"),
    "laterality": ("laterality", "side", "hand"),
}  # fmt: skip
_RHPE = {"id", "male", "boneage", "chronological"}
_SEX_WORDS = {"true": Sex.MALE, "1": Sex.MALE, "yes": Sex.MALE, "false": Sex.FEMALE, "0": Sex.FEMALE, "no": Sex.FEMALE}
_AGE_IN_NAME = re.compile(r"^(?:(\d+(?:\.\d+)?)y)?(?:(\d+(?:\.\d+)?)(?:m|mo|months?)?)?$")


@dataclass(frozen=True)
class Columns:
    """Which header of a table holds what; an empty string means that it has none.

    `recognised` names the layout for people; `crop` says which part of its images is the one to use.
    """

    id: str = ""
    image: str = ""
    dir: str = ""
    sex: str = ""
    age_months: str = ""
    age_years: str = ""
    laterality: str = ""
    crop: str = ""
    recognised: str = "table"

    @property
    def usable(self) -> bool:
        """Whether an image can be named, and its sex and age are there."""
        return bool((self.id or self.image) and self.sex and (self.age_months or self.age_years))


def read_table(reference: str, headers: bool = True) -> pd.DataFrame:
    """Read a CSV, semicolon or tab separated file (also inside an archive) as text columns.

    Args:
        reference: The file, or `archive.zip!table.csv`.
        headers: Whether the first line names the columns; without, they are called 1, 2, 3, ...

    Raises:
        DataError: when it cannot be read, is empty or no table.
    """
    try:
        return read_csv(read_bytes(reference), headers)
    except ValueError as error:
        raise DataError.of("layout.no_table", file=reference, reason=error) from error


def recognise(headers: list[str], given: Mapping[str, str] | None = None) -> Columns:
    """Find out which column holds what.

    Args:
        headers: The table's headers.
        given: Columns named by the configuration (`id`, `image`, `sex`, `age_months`, `age_years`); they win.

    Raises:
        DataError: when a column that was named is not there, or a name stands for nothing.
    """
    plain = {_plain(header): header for header in headers}
    found = {role: next((plain[word] for word in words if word in plain), "") for role, words in _HEADERS.items()}
    given = given or {}
    if given:
        found["age_months"] = found["age_months"] if "age_years" not in given else ""
        found["id"] = found["id"] if "image" not in given else ""
    for role, header in given.items():
        if role not in _HEADERS:
            raise DataError.of("layout.role", roles=", ".join(_HEADERS), given=role)
        if header not in headers:
            raise DataError.of("layout.header", role=role, header=header, headers=", ".join(headers))
        found[role] = header
    is_rhpe = set(plain) == _RHPE and not given
    return Columns(**found, crop=LEFT_HALF if is_rhpe else "", recognised=_layout_name(plain, is_rhpe, bool(given)))


def parse_sex(text: str) -> Sex:
    """Read a sex as tables write it: words, or whether the patient is male (`True`, `1`, `M`, `Male`).

    Raises:
        ValueError: when it is neither.
    """
    word = text.strip().lower().removesuffix(".0")
    return _SEX_WORDS[word] if word in _SEX_WORDS else Sex.parse(text)


def parse_laterality(text: str) -> str:
    """Read the side of a hand as tables write it: "L", "R", or "" where it is not said or not understood."""
    first = text.strip()[:1].upper()
    return first if first in {"L", "R"} else ""


def parse_age(text: str, months_a_unit: float = 1.0) -> float:
    """Read an age in months, and check its range.

    Raises:
        ValueError: with the reason, when it is missing, no number or outside 0-228 months.
    """
    if not text.strip():
        raise ValueError("no age")
    try:
        months = float(text.strip().replace(",", ".")) * months_a_unit
    except ValueError as error:
        raise ValueError(f"age {text!r} is no number") from error
    if not MIN_AGE_MONTHS <= months <= MAX_AGE_MONTHS:
        raise ValueError(f"age {months:g} is not within 0-228 months")
    return months


def parse_file_name(name: str) -> tuple[str, str]:
    """Read sex and age from an atlas plate's name: `male_132.jpg`, `female/132.png`, `F-11y6m.png`.

    Returns:
        The sex word and the months as text, each empty when the name does not say it.

    Example:
        >>> parse_file_name("plates/female/132_b.png")
        ('female', '132')
    """
    stem = name.rpartition(".")[0] or name
    parts = stem.split("/")
    own = re.split(r"[^0-9A-Za-z.]+", parts[-1])
    folders = [word for part in reversed(parts[:-1]) for word in re.split(r"[^0-9A-Za-z.]+", part)]
    sex = next((sex for word in own + folders if (sex := _sex_word(word))), "")
    return sex, next((age for word in own if (age := _age_word(word))), "")


def _sex_word(word: str) -> str:
    try:
        return Sex.parse(word).value
    except ValueError:
        return ""


def _age_word(word: str) -> str:
    found = _AGE_IN_NAME.match(word.lower())
    if not found or not any(found.groups()):
        return ""
    years, months = (float(part or 0) for part in found.groups())
    return f"{12 * years + months:g}"


def _plain(header: str) -> str:
    return re.sub(r"[\s_]+", " ", header).strip().lower()


def _layout_name(plain: Mapping[str, str], is_rhpe: bool, given: bool) -> str:
    if given:
        return "table with named columns"
    if is_rhpe:
        return "RHPE"
    names = {
        ("id", "boneage", "male"): "RSNA training",
        ("image id", "male", "bone age (months)"): "RSNA validation",
        ("case id", "sex", "ground truth bone age (months)"): "RSNA test truth",
        ("image id", "dir", "patient id", "sex", "bone age"): "harmonised",
    }
    return next((name for headers, name in names.items() if set(headers) <= set(plain)), "table")


_ATLAS_FOLDER = re.compile(r"^(?:asi|blk|cau|his)([fm])(\d{1,2})$")
_ATLAS_SEXES = {"f": "female", "m": "male"}
HAND_ATLAS = "Digital Hand Atlas"


def parse_folder(image: str) -> tuple[str, str]:
    """Read sex and age from the folder that an image of the atlas lies in.

    Returns:
        The sex word and the months as text, both empty when it is no such folder.

    Example:
        >>> parse_folder("JPEGimages/CAUM/CAUM12/7186.jpg")
        ('male', '150')
    """
    for folder in reversed(image.lower().replace("\\", "/").split("/")[:-1]):
        found = _ATLAS_FOLDER.match(folder)
        if found:
            return _ATLAS_SEXES[found[1]], str(12 * int(found[2]) + 6)
    return "", ""
