"""Sex, age groups and the ten models of a cascade as data.

Source of the groups: Malanga et al. 2024, 10.59681/2175-4411.v16.iEspecial.2024.1361. Decimal ages occur, so the
groups are half-open intervals: [0, 58), [58, 115), [115, 172) and [172, 228], all in months.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MIN_AGE_MONTHS = 0.0
MAX_AGE_MONTHS = 228.0


class Sex(StrEnum):
    """The patient's sex as the method uses it: one set of models each."""

    FEMALE = "female"
    MALE = "male"

    @classmethod
    def parse(cls, text: object) -> Sex:
        """Read a sex from what people and tables write (`F`, `female`, `Male`, `m`).

        Raises:
            ValueError: when the text names neither sex.
        """
        word = str(text).strip().lower()
        for sex, words in _SEX_WORDS.items():
            if word in words:
                return sex
        raise ValueError(f"sex must be 'female' or 'male', but {text!r} was given")


_SEX_WORDS = {
    Sex.FEMALE: frozenset({"f", "female", "girl", "woman", "w"}),
    Sex.MALE: frozenset({"m", "male", "boy", "man"}),
}


class Task(StrEnum):
    """What a head does: choose the age group, or give the months within it."""

    CLASSIFIER = "classifier"
    REGRESSOR = "regressor"


@dataclass(frozen=True, order=True)
class AgeGroup:
    """One age group: `number` 1-4 and its months, `low` included, `high` the first month of the next group."""

    number: int
    low: float
    high: float

    @property
    def label(self) -> str:
        """The name people select, for example `58-114`."""
        top = self.high if self.number == len(_EDGES) - 1 else self.high - 1
        return f"{self.low:.0f}-{top:.0f}"

    def __contains__(self, age_months: float) -> bool:
        """Tell whether an age in months lies in this group (228 itself belongs to the last)."""
        return self.low <= age_months < self.high or (self.high == MAX_AGE_MONTHS == age_months)


_EDGES = (MIN_AGE_MONTHS, 58.0, 115.0, 172.0, MAX_AGE_MONTHS)
AGE_GROUPS: tuple[AgeGroup, ...] = tuple(
    AgeGroup(number, low, high) for number, (low, high) in enumerate(zip(_EDGES, _EDGES[1:], strict=False), start=1)
)
RANGE_LABELS: tuple[str, ...] = tuple(group.label for group in AGE_GROUPS)


def group_of(age_months: float) -> int:
    """Return the number (1-4) of the group that an age in months falls in.

    Raises:
        ValueError: when the age is not within 0-228 months.
    """
    for group in AGE_GROUPS:
        if age_months in group:
            return group.number
    raise ValueError(f"age must be within 0-228 months, but {age_months!r} was given")


def group_from_label(label: str) -> int:
    """Return the group number of a range label such as `58-114`.

    Raises:
        ValueError: when the label is none of the four.
    """
    if label not in RANGE_LABELS:
        raise ValueError(f"range must be one of {', '.join(RANGE_LABELS)}, but {label!r} was given")
    return RANGE_LABELS.index(label) + 1


@dataclass(frozen=True, order=True)
class ModelKey:
    """Names one of the ten models: `ModelKey(Task.REGRESSOR, Sex.FEMALE, 4)`; classifiers have no group."""

    task: Task
    sex: Sex
    group: int | None = None

    def __post_init__(self) -> None:
        if self.task is Task.CLASSIFIER and self.group is not None:
            raise ValueError(f"a classifier has no age group, but {self.group!r} was given")
        if self.task is Task.REGRESSOR and self.group not in range(1, len(AGE_GROUPS) + 1):
            raise ValueError(f"a regressor needs an age group of 1-4, but {self.group!r} was given")

    @property
    def name(self) -> str:
        """The name used in runs, files and the registry: `classifier-male`, `regressor-female-4`."""
        return "-".join(part for part in (self.task, self.sex, self.group and str(self.group)) if part)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def parse(cls, name: str) -> ModelKey:
        """Read a key back from its name.

        Raises:
            ValueError: when the name is none of the ten.
        """
        for key in ALL_MODELS:
            if key.name == name:
                return key
        raise ValueError(f"model must be one of {', '.join(k.name for k in ALL_MODELS)}, but {name!r} was given")


CLASSIFIERS: tuple[ModelKey, ...] = tuple(ModelKey(Task.CLASSIFIER, sex) for sex in Sex)
REGRESSORS: tuple[ModelKey, ...] = tuple(
    ModelKey(Task.REGRESSOR, sex, group.number) for sex in Sex for group in AGE_GROUPS
)
ALL_MODELS: tuple[ModelKey, ...] = CLASSIFIERS + REGRESSORS


@dataclass(frozen=True)
class Part:
    """A part of a set of images: all of them, a sex, or a sex and true age group (1-4)."""

    sex: Sex | None = None
    group: int | None = None

    @property
    def name(self) -> str:
        """The name in tables: `all`, `female`, `female 58-114`."""
        return " ".join([self.sex or "all", *([RANGE_LABELS[self.group - 1]] if self.group else [])])

    @property
    def suffix(self) -> str:
        """The end of a metric's name: empty, `_female`, `_female_2`."""
        return "".join(f"_{each}" for each in (self.sex, self.group) if each)


PARTS: tuple[Part, ...] = (
    Part(),
    *(Part(sex) for sex in Sex),
    *(Part(sex, group.number) for sex in Sex for group in AGE_GROUPS),
)
