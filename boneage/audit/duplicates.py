"""Find films that are there twice, pixel for pixel or stored in another way, above all in two of the study's sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from boneage.audit.labels import rows_of
from boneage.data.archives import DataError
from boneage.data.fingerprint import agreement, candidates, likeness, same_film
from boneage.data.splits import SplitError, same_films
from boneage.data.transforms import read_row

_MOST_CANDIDATES = 20_000
_SHOWN = 3


@dataclass(frozen=True)
class Pair:
    """Two rows that show the same film.

    Attributes:
        one, other: Their ids.
        exact: Whether every pixel is the same.
        agreement: Of the fingerprints, -1 to 1 (-1: the one is the other's inverse).
        likeness: Correlation of the gradients, -1 to 1.
        sets: What the two rows are used for: train, validation, test, or "" where nothing was split.
        ages: Their labels in months.
        sexes: Their labels.
    """

    one: str
    other: str
    exact: bool
    agreement: float
    likeness: float
    sets: tuple[str, str]
    ages: tuple[float, float]
    sexes: tuple[str, str]

    @property
    def leak(self) -> bool:
        """Whether the two are in different sets."""
        return self.sets[0] != self.sets[1]

    @property
    def contradiction(self) -> bool:
        """Whether the two have different labels."""
        return self.ages[0] != self.ages[1] or self.sexes[0] != self.sexes[1]

    def sentence(self) -> str:
        """Say what was found."""
        how = "the same pixels" if self.exact else f"the same film (likeness {self.likeness:.2f})"
        where = f", in {self.sets[0]} and {self.sets[1]}" if self.leak else ""
        labels = (
            f", labelled {self.sexes[0]} {self.ages[0]:g} and {self.sexes[1]} {self.ages[1]:g} months"
            if self.contradiction
            else ""
        )
        return f"{self.one} = {self.other}: {how}{where}{labels}"


def find_pairs(table: pd.DataFrame) -> tuple[Pair, ...]:
    """Return every pair of rows that show the same film, leaks first.

    Args:
        table: Columns `id, sex, age_months, image, content_sha256, fingerprint`, and `set` where there are sets.
    """
    rows = {str(row["id"]): row for row in rows_of(table)}
    groups = same_films({name: str(row["content_sha256"]) for name, row in rows.items()})
    pairs = [_pair(rows[one], rows[other], True, 1.0, 1.0) for group in groups for one, other in _chain(group, rows)]
    pairs += _near(rows)
    return tuple(sorted(pairs, key=lambda pair: (not pair.leak, not pair.exact, pair.one, pair.other)))


def refuse_near_copies(sets: Mapping[str, tuple[pd.DataFrame, Mapping[str, str]]]) -> None:
    """Refuse a study in which a film is in two sets, stored in two ways; equal pixels are `check_leaks`'s business.

    Args:
        sets: For each set its annotation table and the fingerprints of its films by id ("" where unknown).

    Raises:
        SplitError: naming the films.
    """
    found = []
    for (name, (table, prints)), (other, (others, more)) in combinations(sets.items(), 2):
        rows, columns = ({row["id"]: row for row in rows_of(part)} for part in (table, others))
        ids, other_ids = list(prints), list(more)
        for i, j in candidates(list(prints.values()), list(more.values())):
            if same_film(read_row(rows[ids[i]]), read_row(columns[other_ids[j]])):
                found.append(f"{ids[i]} ({name}) = {other_ids[j]} ({other})")
    if found:
        raise SplitError.of("split.look_alike", count=len(found), films="; ".join(found[:_SHOWN]))


def _chain(group: Sequence[str], rows: Mapping[str, Mapping[str, object]]) -> list[tuple[str, str]]:
    """Return the pairs that tell of a group of equal films: all of a few, else the first of each set with the rest."""
    if len(group) <= 4:
        return list(combinations(group, 2))
    first = {str(rows[name].get("set", "")): name for name in reversed(group)}
    heads = list(first.values())
    return list(combinations(heads, 2)) + [(heads[0], name) for name in group if name not in heads]


def _near(rows: Mapping[str, Mapping[str, object]]) -> list[Pair]:
    """Compare one film of each content; pairs whose fingerprints agree are read again and looked at."""
    single: dict[str, str] = {}
    for name, row in rows.items():
        single.setdefault(str(row["content_sha256"]), name)
    names = list(single.values())
    prints = [str(rows[name]["fingerprint"]) for name in names]
    found = []
    for number, (i, j) in enumerate(candidates(prints)):
        if number >= _MOST_CANDIDATES:
            raise DataError.of("audit.too_many_pairs", most=_MOST_CANDIDATES)
        films = read_row(rows[names[i]]), read_row(rows[names[j]])
        if same_film(*films):
            seen = agreement(prints[i], prints[j])
            found.append(_pair(rows[names[i]], rows[names[j]], False, seen, likeness(*films)))
    return found


def _pair(one: Mapping[str, object], other: Mapping[str, object], exact: bool, agreed: float, alike: float) -> Pair:
    return Pair(
        one=str(one["id"]),
        other=str(other["id"]),
        exact=exact,
        agreement=round(agreed, 3),
        likeness=round(alike, 3),
        sets=(str(one.get("set", "")), str(other.get("set", ""))),
        ages=(float(str(one["age_months"])), float(str(other["age_months"]))),
        sexes=(str(one["sex"]), str(other["sex"])),
    )
