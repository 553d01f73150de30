"""Judge by a list of checks whether a challenger may replace the champion; each says in a sentence what it found.

It fails closed: what cannot be read, compared or checked is refused. The comparison rests on the per-image estimates
that lie beside every registered cascade (`validation.csv`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from boneage.errors import BoneageError
from boneage.evaluation.stress import regressions
from boneage.registry.compare import UNJUDGED, WORSE, Comparison, PartComparison, compare_tables
from boneage.registry.validation import read_validation
from boneage.registry.versions import RegistryError, VersionInfo

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Ten parts are looked at, so of a model that is as good as the champion one part is worse beyond its 95 % interval in
# every fifth promotion, by chance. A part must be worse by more than this, too: two months are a third of the half
# years in which most reference ages are given, and less than what any reader could tell apart on a film.
PART_MARGIN_MONTHS = 2.0

STRESS_TAG = "stress"
Rescore = Callable[[VersionInfo, pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class GateCase:
    """Two registered versions, compared on the challenger's validation images, for the checks to judge."""

    client: MlflowClient
    challenger: VersionInfo
    champion: VersionInfo
    comparison: Comparison


@dataclass(frozen=True)
class CheckResult:
    """Outcome of one check."""

    name: str
    passed: bool
    sentence: str

    def __str__(self) -> str:
        """Write it as one line."""
        return f"{'passed' if self.passed else 'FAILED'}  {self.name}: {self.sentence}"


Check = Callable[[GateCase], CheckResult]


@dataclass(frozen=True)
class Verdict:
    """Verdict of the promotion gate: may the challenger be promoted, why, the comparison (if any) and every check."""

    allowed: bool
    reason: str
    comparison: Comparison | None = None
    checks: tuple[CheckResult, ...] = ()


def whole_set(case: GateCase) -> CheckResult:
    """Check that the whole cascade is not worse beyond the interval of the paired difference."""
    whole = case.comparison.whole
    sentence = (
        f"version {case.challenger.version} has a cascade MAE of {whole.first_mae_months:.3f} months and the champion, "
        f"version {case.champion.version}, {whole.second_mae_months:.3f} on the same {whole.images} validation images: "
        f"{whole.interval}, "
    )
    if whole.verdict == UNJUDGED:
        return CheckResult("whole set", False, f"{sentence}too few images to judge by")
    said = "the challenger is worse" if whole.verdict == WORSE else f"{whole.verdict}"
    return CheckResult("whole set", whole.verdict != WORSE, sentence + said)


def every_part(case: GateCase) -> CheckResult:
    """Check that no sex and no age group of a sex is worse by more than the margin and beyond its own interval."""
    parts = [part for part in case.comparison.parts[1:] if part.verdict != UNJUDGED]
    failed = [part for part in parts if part.verdict == WORSE and part.difference_months > PART_MARGIN_MONTHS]
    if failed:
        found = "; ".join(_part_sentence(part) for part in failed)
        return CheckResult("each part", False, f"worse by more than {PART_MARGIN_MONTHS:g} months: {found}")
    worst = max(parts, key=lambda part: part.difference_months, default=None)
    least = f"; the least favourable is {_part_sentence(worst)}" if worst else ""
    return CheckResult(
        "each part",
        True,
        f"none of {len(parts)} sexes and age groups is worse by more than {PART_MARGIN_MONTHS:g} months beyond its "
        f"interval{least}",
    )


def stress_test(case: GateCase) -> CheckResult:
    """Check that turned, cropped, noisy and otherwise disturbed films are borne as well as by the champion."""
    return CheckResult("stress test", *compare_stress(case.challenger, case.champion))


CHECKS: tuple[Check, ...] = (whole_set, every_part, stress_test)
"""Every check of a promotion, in the order in which they are said. A further one is a function from a `GateCase` to a
`CheckResult`, added here; what it raises as a `BoneageError` counts as failed."""


def judge(
    client: MlflowClient,
    challenger: VersionInfo,
    champion: VersionInfo | None,
    rescore: Rescore | None = None,
    checks: Sequence[Check] = CHECKS,
) -> Verdict:
    """Say whether a challenger may replace the champion.

    Args:
        client: an open client.
        challenger: the version to promote.
        champion: the version that serves now, or None.
        rescore: estimates the challenger's validation images with the champion, where the champion's own table does
            not cover them: (champion, challenger's table) -> the same rows with the champion's `bone_age_months`.
        checks: what must pass.
    """
    try:
        mine = _sound(read_validation(client, challenger), challenger)
        if champion is None:
            return Verdict(True, "there is no champion yet")
        compared = compare_tables(mine, _champions_table(client, champion, mine, rescore))
    except BoneageError as error:
        return Verdict(False, f"the versions cannot be compared: {error}")
    case = GateCase(client, challenger, champion, compared)
    results = tuple(_checked(check, case) for check in checks)
    failed = [result for result in results if not result.passed]
    said = "; ".join(result.sentence for result in failed or results)
    return Verdict(not failed, said, compared, results)


def compare(client: MlflowClient, first: VersionInfo, second: VersionInfo) -> Comparison:
    """Compare two versions on the validation images of the first, from what was registered with them.

    Raises:
        BoneageError: when they were not scored on the same images.
    """
    mine = _sound(read_validation(client, first), first)
    return compare_tables(mine, read_validation(client, second))


def stress_text(figures: Mapping[str, float]) -> str:
    """Write the figures of `boneage.evaluation.stress.stress_figures` as a tag's value."""
    return json.dumps({name: round(float(value), 4) for name, value in figures.items()})


def stress_tags(card: Mapping[str, Any]) -> dict[str, str]:
    """Return the tag of a cascade whose card holds a stress test; nothing where it holds none."""
    return {STRESS_TAG: stress_text(card["stress"]["figures"])} if "stress" in card else {}


def stress_of(info: VersionInfo) -> dict[str, float]:
    """Read a version's figures; empty where it was not tested.

    Raises:
        RegistryError: when the tag holds something else.
    """
    text = info.tags.get(STRESS_TAG, "{}")
    try:
        return {name: float(value) for name, value in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise RegistryError.of("registry.damaged_tag", tag=STRESS_TAG, name=info.name, version=info.version) from error


def compare_stress(challenger: VersionInfo, champion: VersionInfo) -> tuple[bool, str]:
    """Tell whether a challenger bears every disturbance about as well as the champion, and say what was found.

    Raises:
        RegistryError: when a version's figures cannot be read.
    """
    before, after = stress_of(champion), stress_of(challenger)
    if not before:
        return True, f"the champion, version {champion.version}, has no stress test to compare with"
    missing = [name for name in before if name not in after]
    if missing:
        command = f"boneage stress DATA --record --model models:/{challenger.name}/{challenger.version}"
        return False, f"version {challenger.version} has no figure {missing[0]}: run `{command}`"
    worse = regressions(before, after)
    if worse:
        return False, "borne worse than by the champion: " + "; ".join(worse)
    return True, f"none of {len(before)} disturbances moves clearly more films by over 12 months than before"


def _checked(check: Check, case: GateCase) -> CheckResult:
    """Run a check; one that cannot be carried out has failed."""
    try:
        return check(case)
    except BoneageError as error:
        return CheckResult(check.__name__.replace("_", " "), False, f"it could not be checked: {error}")


def _part_sentence(part: PartComparison) -> str:
    spread = f"95 % interval {part.low_months:+.2f} to {part.high_months:+.2f}"
    return f"{part.part} {part.difference_months:+.2f} ({spread}, {part.images} images)"


def _champions_table(
    client: MlflowClient, champion: VersionInfo, mine: pd.DataFrame, rescore: Rescore | None
) -> pd.DataFrame:
    """Take the champion's own table where it covers the challenger's images, else have the champion rescored."""
    wanted = set(mine["content_sha256"])
    try:
        theirs = read_validation(client, champion)
        reason = "the champion was validated on other images"
        if wanted <= set(theirs["content_sha256"]):
            return theirs
    except RegistryError as error:
        reason = error.sentence
    if rescore is None:
        raise RegistryError.of("promotion.other_images", reason=reason)
    return rescore(champion, mine)


def _sound(table: pd.DataFrame, info: VersionInfo) -> pd.DataFrame:
    """Return the table, or say what is wrong with it: no row, or an estimate or age that is not a number."""
    if table.empty:
        raise RegistryError.of("validation.empty", name=info.name, version=info.version)
    numbers = table[["age_months", "bone_age_months"]].to_numpy(dtype=float)
    if not np.isfinite(numbers).all():
        raise RegistryError.of("validation.no_number", name=info.name, version=info.version)
    return table
