"""Estimate many radiographs and return one table row per file, errors included."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from boneage.data.archives import is_archive, join, list_files
from boneage.data.film_list import IMAGE_COLUMNS, SEX_COLUMNS, cell_of, range_of, sex_of
from boneage.errors import BoneageError
from boneage.gate.gate import RefusedError
from boneage.groups import RANGE_LABELS, Sex
from boneage.languages.texts import number, text
from boneage.notices import say
from boneage.pipeline import in_order
from boneage.tables import read_csv
from boneage.ui.errors import Kept, PageError
from boneage.ui.estimate.case import BESIDE, Request, make_case
from boneage.ui.service import ModelService

MAX_FILES = 200
CSV_COLUMNS = (
    "image", "sex", "age_range", "bone_age_months", "low_months", "high_months", "group", "routing", "model", "version",
    "warnings", "error", "hard_months", "warning_codes", "error_code",
)  # fmt: skip
_ROW_OWN = {"image", "sex"}


@dataclass(frozen=True)
class Item:
    """One file of a batch: where it lies, what the visitor called it."""

    source: str
    name: str


@dataclass(frozen=True)
class Common:
    """What is asked of all images of a batch.

    Attributes:
        uri: the model; of two, the first answers.
        sex: of the images for which the table says none; None where it was not chosen.
        who: the visitor's login.
    """

    uri: str
    sex: Sex | None
    who: str = ""

    @classmethod
    def read(cls, uri: str | None, sex: str | None, who: str | None) -> Common:
        """Take what came from the page."""
        return cls((uri or "").partition(BESIDE)[0], Sex.parse(sex) if sex else None, who or "")


@dataclass(frozen=True)
class Wish:
    """An image's sex and age range, as the uploaded table gives them."""

    sex: Sex | None
    age_range: str | None = None


def items_of(files: Sequence[str], language: str) -> list[Item]:
    """List the images of the uploads; archives are read in place.

    Raises:
        BoneageError: when there is none, there are too many, or an archive cannot be read.
    """
    items: list[Item] = []
    for file in files or ():
        if is_archive(file):
            items += [Item(join(file, member), member) for member in list_files(file) if not member.endswith(".csv")]
        else:
            items.append(Item(file, Path(file).name))
    if not items:
        raise PageError(text("batch_nothing", language))
    if len(items) > MAX_FILES:
        raise PageError(text("batch_too_many", language, limit=MAX_FILES, given=len(items)))
    return items


def read_table(file: str | None, language: str) -> dict[str, Wish]:
    """Read the table of sexes: image (with or without its ending) -> sex and range; empty without a table.

    Raises:
        PageError: when it is no such table.
    """
    if not file:
        return {}
    try:
        table = read_csv(Path(file).read_bytes()).rename(columns=str.lower)
        if table.empty:
            raise ValueError("it has no row")
        rows = [{str(key): str(value) for key, value in row.items()} for row in table.to_dict("records")]
        return {_stem(cell_of(row, IMAGE_COLUMNS)): _wish(row) for row in rows}
    except (KeyError, ValueError) as error:
        raise PageError(text("batch_bad_table", language, reason=str(error))) from error


def estimate_all(
    service: ModelService, items: Sequence[Item], wishes: Mapping[str, Wish], common: Common, language: str
) -> Iterator[dict[str, object]]:
    """Estimate one image after the other; yield its row under `CSV_COLUMNS`, `error` filled where it failed."""

    def estimate(item: Item) -> dict[str, object]:
        wish = wishes.get(_stem(item.name), Wish(None))
        wish = replace(wish, sex=wish.sex or common.sex)
        return {"image": item.name, "sex": str(wish.sex or ""), **_row(service, item, wish, common, language)}

    # One model computes at a time; the next films are read and the last ones written meanwhile.
    yield from (row for _, row in in_order(estimate, items))


def _row(service: ModelService, item: Item, wish: Wish, common: Common, language: str) -> dict[str, object]:
    if wish.sex is None:
        return {"error": text("batch_no_sex", language)}
    try:
        with Kept("estimating an image of a batch", passes=BoneageError):
            request = Request(item.source, item.name, wish.sex, wish.age_range, uri=common.uri, who=common.who)
            case = make_case(service, request, language, lambda share, words: None)
            values = case.to_json()
            notes = "; ".join(say(warning, language) for warning in case.estimate.warnings)
            kept = {name: values[name] for name in CSV_COLUMNS if name in values and name not in _ROW_OWN}
            return {**kept, "warnings": notes, "warning_codes": "; ".join(values["warning_codes"])}
    except RefusedError as refused:
        said = (*refused.verdict.reasons, *refused.verdict.notes)
        reasons = "; ".join(say(reason, language) for reason in said)
        return {"error": text("batch_withheld", language, reasons=reasons), "error_code": refused.code}
    except BoneageError as error:
        return {"error": say(error.sentence, language), "error_code": error.code}
    return {"error": text("error_unexpected", language)}


def to_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Write the rows as CSV; cells that a spreadsheet would run as a formula are made harmless."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows([_harmless(row.get(name)) for name in CSV_COLUMNS] for row in rows)
    return out.getvalue()


def to_cells(rows: Sequence[Mapping[str, object]], language: str) -> list[list[str]]:
    """Return the rows as the page's table shows them."""
    return [_cells(row, language) for row in rows]


def table_headers(language: str) -> list[str]:
    """Return the headers of the page's table."""
    names = ("file", "sex", "months", "interval", "group", "note")
    return [text(f"column_{name}", language) for name in names]


def _cells(row: Mapping[str, object], language: str) -> list[str]:
    age, low, high, group = (row.get(name) for name in ("bone_age_months", "low_months", "high_months", "group"))
    sex = str(row.get("sex") or "")
    return [
        str(row["image"]),
        text(sex, language) if sex else "",
        number(age, language) if isinstance(age, float) else "",
        f"{number(low, language)}–{number(high, language)}"
        if isinstance(low, float) and isinstance(high, float)
        else "",
        RANGE_LABELS[group - 1].replace("-", "–") if isinstance(group, int) else "",
        str(row.get("error") or row.get("warnings") or ""),
    ]


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def _wish(row: Mapping[str, str]) -> Wish:
    return Wish(sex_of(cell_of(row, SEX_COLUMNS)), range_of(row.get("age_range", "")))


def _stem(name: str) -> str:
    return Path(name.strip()).stem.lower()
