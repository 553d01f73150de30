"""Read the films of one child with the ages that were typed, and estimate them for the follow-up tab."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from boneage.clinical.sd_tables import SdTable, built_in_table
from boneage.data.images import read_radiograph
from boneage.errors import BoneageError
from boneage.groups import Sex
from boneage.hospital.follow import FollowUp, follow, typed_age
from boneage.hospital.result import Question, judge
from boneage.languages.texts import number, text
from boneage.ui.errors import PageError
from boneage.ui.estimate.case import BESIDE
from boneage.ui.service import ModelService

MAX_FILMS = 20
Step = Callable[[int, str], None]


@dataclass(frozen=True)
class Asked:
    """What is asked of the films of one child.

    Attributes:
        files: the uploads, two or more.
        ages: months at each film, None where the file says it.
        sex: None takes it from the DICOM files.
        table: for bands and z-scores, or None.
        uri: the model; of two, the first answers.
        who: the visitor's login.
    """

    files: tuple[str, ...]
    ages: tuple[float | None, ...]
    sex: Sex | None
    table: SdTable | None
    uri: str = ""
    who: str = ""


def age_lines(files: Sequence[str] | None, language: str) -> str:
    """Return one line per film with what its file says of the age, to be completed.

    Args:
        files: the uploads.
        language: of the numbers.
    """
    lines = []
    for file in files or ():
        try:
            age = read_radiograph(file, name=Path(file).name).age_months
        except BoneageError:  # said when the films are estimated
            age = None
        lines.append(f"{Path(file).name} = {'' if age is None else number(age, language)}")
    return "\n".join(lines)


def read_ages(written: str, born: str, files: Sequence[str], language: str) -> tuple[float | None, ...]:
    """Read the lines of `age_lines` as a visitor completed them.

    Args:
        written: a line per film: its name, `=` and months or a date; empty takes what the file says.
        born: the birth date, which dates need.
        files: the uploads.
        language: of the errors.

    Returns:
        The age at each film in months, None where it was left open.

    Raises:
        PageError: when a line names no film.
        HospitalError: when an age is none.
    """
    left = [Path(file).name for file in files]
    ages: list[float | None] = [None] * len(left)
    for line in filter(str.strip, written.splitlines()):
        name, _, age = line.rpartition("=")
        if name.strip() not in left:
            raise PageError(text("follow_line", language, line=line.strip()))
        place = left.index(name.strip())
        left[place] = ""  # the next line of this name is that of the next film of this name
        ages[place] = typed_age(age, born) if age.strip() else None
    return tuple(ages)


def read_asked(
    files: Sequence[str] | None, written: str, born: str, choices: tuple[str, str, str], language: str
) -> Asked:
    """Check what came from the page.

    Args:
        files: the uploads.
        written: the lines of ages.
        born: the birth date, or empty.
        choices: sex, table and model, each empty for none.
        language: of the errors.

    Raises:
        BoneageError: when there is no film, or an age or the table is none.
    """
    if not files:
        raise PageError(text("follow_empty", language))
    if len(files) > MAX_FILMS:
        raise PageError(text("batch_too_many", language, limit=MAX_FILMS, given=len(files)))
    sex, table, uri = choices
    ages = read_ages(written, born, files, language)
    opened = built_in_table(table) if table else None
    return Asked(tuple(files), ages, Sex.parse(sex) if sex else None, opened, uri.partition(BESIDE)[0])


def follow_up(service: ModelService, asked: Asked, step: Step) -> FollowUp:
    """Estimate the films and put them in order; `step(place, name)` hears of the progress.

    Raises:
        BoneageError: when a film cannot be read, or the films do not belong together.
    """
    cascade = service.cascade(asked.uri)
    films = []
    for place, file in enumerate(asked.files):
        name = Path(file).name
        step(place, name)
        try:
            with service.turn:
                result = judge(cascade, file, Question(sex=asked.sex, table=asked.table), name)
        except BoneageError as error:
            service.log.failed(None, error, asked.who)
            raise
        service.log.result(result, asked.who)
        films.append((name, result))
    if all(age is None for age in asked.ages):
        return follow(films, None, asked.table)
    # By age: a visitor names the age of each film, whatever their order.
    known = [film.film.age_months if age is None else age for age, (_, film) in zip(asked.ages, films, strict=True)]
    order = sorted(range(len(films)), key=lambda place: known[place] or 0.0)
    return follow([films[place] for place in order], [asked.ages[place] for place in order], asked.table)
