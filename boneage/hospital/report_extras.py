"""What a report can say beyond the number: who said what, similar cases, the heat map, another model's answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boneage.cascade.estimate import Estimate
from boneage.cascade.regional import RegionAge
from boneage.explain.reasons import ALL_AGES, ALL_REGIONS, Reasons
from boneage.languages.texts import age_in_words, number, text

Row = tuple[str, str]


@dataclass(frozen=True)
class Extras:
    """What stands in a report where it is known, in the report's language.

    Attributes:
        routing: which model gave the age, in a sentence; empty for nothing.
        pictures: caption and pixels, uint8 (h, w) or (h, w, 3) RGB: the prepared image, the heat map.
        believed: how far the heat map can be believed; empty without one.
        rival: name and answer of another model that was asked, each as lines.
        answered: the models that took part.
        notes: what is in doubt, beyond the estimate's own warnings.
    """

    routing: str = ""
    pictures: tuple[tuple[str, NDArray[np.uint8]], ...] = ()
    believed: str = ""
    rival: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def expert_rows(reasons: Reasons, language: str) -> list[Row]:
    """Return the name of each expert with its age and share, and hard routing's age where it is known."""
    rows = [(_named(one.range, language), _said(one.months, one.weight, language)) for one in reasons.experts]
    if reasons.hard_months is not None:
        rows.append((text("hard_routing", language), age_in_words(reasons.hard_months, language)))
    return rows


def similar_rows(reasons: Reasons, language: str) -> list[Row]:
    """Return the name of each similar training case with its reader's age and its likeness."""
    return [
        (
            one.id,
            text(
                "similar_row",
                language,
                age=age_in_words(one.age_months, language),
                likeness=number(round(100 * one.likeness), language),
            ),
        )
        for one in reasons.similar_cases
    ]


def region_rows(estimate: Estimate, language: str) -> list[Row]:
    """Return each region of the hand with its age and interval; nothing where no region was read."""
    return [(text(f"region_{one.region}", language), _region_age(one, language)) for one in estimate.regional_ages]


def _region_age(one: RegionAge, language: str) -> str:
    age = age_in_words(one.bone_age_months, language)
    if one.low_months is None or one.high_months is None:
        return age
    low, high = number(one.low_months, language, 0), number(one.high_months, language, 0)
    return text("region_row", language, age=age, low=low, high=high)


def _named(label: str, language: str) -> str:
    if label == ALL_AGES:
        return text("all_ages", language)
    if label == ALL_REGIONS:
        return text("all_regions", language)
    return text("group_row", language, label=label.replace("-", "–"))


def _said(months: float, weight: float, language: str) -> str:
    return text("expert_row", language, age=age_in_words(months, language), share=number(round(100 * weight), language))
