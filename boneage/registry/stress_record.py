"""A version's stress test, kept as a tag of the version: what the card shows and the promotion gate compares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from boneage.evaluation.stress import regressions
from boneage.registry.versions import RegistryError, VersionInfo

STRESS_TAG = "stress"


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
        raise RegistryError(f"the tag {STRESS_TAG!r} of {info.name} version {info.version} is damaged") from error


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
