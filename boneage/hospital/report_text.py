"""What a report says of a result, in the reader's language: the same content whatever it is printed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from boneage import __version__
from boneage.clinical.adult_height import AdultHeight
from boneage.clinical.comparison import VERDICTS, Comparison
from boneage.clinical.reference_hands import Centres, expected_centres
from boneage.explain.reasons import Reasons
from boneage.groups import RANGE_LABELS
from boneage.hospital.report_extras import Extras, Row, expert_rows, region_rows, similar_rows
from boneage.hospital.result import Result
from boneage.languages.texts import age_in_words, number, text
from boneage.notices import say


@dataclass(frozen=True)
class Block:
    """A part of a report.

    Attributes:
        kicker: the small title above it.
        amount: what is set large; empty for nothing.
        lines: what is set small below.
    """

    kicker: str
    amount: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The content of a report; None where a part does not apply.

    Attributes:
        title: the report's.
        made: when, in UTC.
        notice: the restriction of use.
        age: the estimate, or why there is none.
        difference: against the chronological age.
        compared: against the table.
        groups: (label, probability 0-1, whether it is the chosen one) of the age groups.
        groups_title: the title above them.
        height: the adult height.
        centres: what should be seen on the film.
        experts: what each expert said.
        similar: the most similar training cases.
        warnings: what was corrected and what is in doubt.
        extras: what else is known.
        model: model and version.
    """

    title: str
    made: str
    notice: str
    age: Block
    difference: Block | None
    compared: Block | None
    groups: tuple[tuple[str, float, bool], ...]
    groups_title: str
    height: Block | None
    centres: Block | None
    experts: Block | None
    similar: Block | None
    warnings: Block | None
    model: str
    extras: Extras


def report_of(result: Result, language: str, made: datetime | None = None, extras: Extras | None = None) -> Report:
    """Put a result into words.

    Args:
        result: what was estimated or refused.
        language: a key of `LANGUAGES`; an unknown one is read as English.
        made: the time that the report states; now by default.
        extras: what else is known, in that language.
    """
    estimate, at, more = result.estimate, made or datetime.now(UTC), extras or Extras()
    said = [*(say(note, language) for note in result.warnings), *more.notes]
    notes = tuple(f"{note.rstrip('.')}." for note in dict.fromkeys(said))
    model = result.model or "–"
    return Report(
        title=text("report_title", language),
        made=text("report_made", language, date=f"{at:%Y-%m-%d %H:%M} UTC"),
        notice=text("notice", language),
        age=_age(result, language),
        difference=_difference(result, language),
        compared=None if result.comparison is None else _compared(result.comparison, language),
        groups=() if estimate is None else _groups(result, language),
        groups_title=text("groups", language),
        height=None if result.height is None else height_block(result.height, language),
        centres=None if estimate is None else _centres(result, language),
        experts=_rows("experts", expert_rows, result.reasons, language),
        similar=_rows("similar", similar_rows, result.reasons, language),
        warnings=Block(text("warnings", language), "", notes) if notes else None,
        model=text("report_model", language, model=model, version=result.version or "–", program=__version__),
        extras=more,
    )


def _rows(
    key: str, rows_of: Callable[[Reasons, str], list[Row]], reasons: Reasons | None, language: str
) -> Block | None:
    """Return reasons as a block, a line per row; None where there is none."""
    rows = [] if reasons is None else rows_of(reasons, language)
    return Block(text(key, language), "", tuple(f"{name}: {words}" for name, words in rows)) if rows else None


def _age(result: Result, language: str) -> Block:
    kicker = f"{text('bone_age', language)} · {text(str(result.sex), language)}"
    estimate = result.estimate
    if estimate is None:
        reasons = tuple(f"{say(reason, language).rstrip('.')}." for reason in result.refusal)
        return Block(kicker, text("report_refused", language), reasons)
    months = text("in_months", language, months=number(estimate.bone_age_months, language))
    regions = "; ".join(f"{name}: {words}" for name, words in region_rows(estimate, language))
    said = (f"{text('regions_heading', language)}: {regions}.",) if regions else ()
    return Block(kicker, age_in_words(estimate.bone_age_months, language), (months, interval(result, language), *said))


def interval(result: Result, language: str) -> str:
    """Say the interval, or that there is none."""
    estimate = result.estimate
    if estimate is None or estimate.low_months is None or estimate.high_months is None:
        return text("no_interval", language)
    low, high = estimate.low_months, estimate.high_months
    return text(
        "interval",
        language,
        coverage=number(100 * result.coverage, language),
        low=age_in_words(low, language),
        high=age_in_words(high, language),
        low_months=number(low, language),
        high_months=number(high, language),
    )


def _difference(result: Result, language: str) -> Block | None:
    age, estimate = result.chronological_months, result.estimate
    if age is None:
        return None
    said = (f"{text('chronological_age', language)}: {age_in_words(age, language)}",)
    if estimate is None:
        return Block(text("chronological_age", language), age_in_words(age, language))
    apart = round(estimate.bone_age_months) - round(age)
    key = "difference_none" if apart == 0 else "difference_more" if apart > 0 else "difference_less"
    amount = text(key, language, amount=age_in_words(apart, language), chronological=age_in_words(age, language))
    return Block(text("difference", language), amount, (*said, text("difference_caution", language)))


def _compared(found: Comparison, language: str) -> Block:
    hints = [say(hint, language) for hint in (found.note, found.provenance) if hint]
    kicker = text("compared", language, table=found.table)
    if found.z_score is None or found.sd_months is None:
        return Block(kicker, text("z_none", language), tuple(hints))
    sign = "−" if found.z_score < 0 else "+"
    amount = text(
        "z_score",
        language,
        z=f"{sign}{number(abs(found.z_score), language, 2)}",
        sd=number(found.sd_months, language),
        verdict=text(f"verdict_{found.verdict}", language),
    )
    if found.probabilities is None:
        return Block(kicker, amount, (text("chances_none", language), *hints))
    named = zip(VERDICTS, found.probabilities, strict=True)
    chances = ", ".join(f"{text(f'verdict_{name}', language)} {100 * chance:.0f} %" for name, chance in named)
    said = f"{text('chances', language)} {chances}."
    return Block(kicker, amount, (text("verdict_info", language), said, *hints))


def _groups(result: Result, language: str) -> tuple[tuple[str, float, bool], ...]:
    estimate = result.estimate
    if estimate is None:
        return ()
    rows = zip(RANGE_LABELS, estimate.group_probabilities, strict=True)
    return tuple(
        (text("group_row", language, label=label.replace("-", "–")), share, index + 1 == estimate.group)
        for index, (label, share) in enumerate(rows)
    )


def height_block(found: AdultHeight, language: str) -> Block:
    """Say the adult height, its interval, the column of the tables and where their numbers are from."""
    target = [] if found.target_cm is None else [text("target_height", language, cm=number(found.target_cm, language))]
    notes = tuple(f"{say(one, language).rstrip('.')}." for one in found.notes)
    kicker = text("adult_height", language)
    if found.adult_cm is None or found.percent is None:
        return Block(kicker, text("adult_height_none", language), (*target, *notes))
    said = [] if found.low_cm is None or found.high_cm is None else [_height_interval(found, language)]
    by = text(
        "adult_height_by",
        language,
        maturity=text(f"verdict_{found.maturity}", language),
        percent=number(found.percent, language),
        height=number(found.height_cm, language),
    )
    amount = text("adult_height_amount", language, cm=number(found.adult_cm, language))
    return Block(kicker, amount, (*said, by, *target, *notes))


def _height_interval(found: AdultHeight, language: str) -> str:
    bounds = {"low": number(found.low_cm or 0.0, language), "high": number(found.high_cm or 0.0, language)}
    return text("adult_height_interval", language, coverage=number(100 * found.coverage, language), **bounds)


def _centres(result: Result, language: str) -> Block | None:
    if result.estimate is None:
        return None
    return Block(
        text("drawn_hands", language),
        "",
        (
            text("drawn_info", language),
            *centre_lines(expected_centres(result.estimate.bone_age_months, result.sex), language),
        ),
    )


def centre_lines(centres: Centres, language: str) -> tuple[str, ...]:
    """Say which ossification centres should be there, missing and fusing; epiphyses by their letters and a key."""
    said = [
        text(f"centres_{key}", language, names=", ".join(_centre(part, language) for part in parts))
        for key, parts in (("latest", centres.latest), ("missing", centres.missing), ("fusing", centres.fusing[:6]))
        if parts
    ]
    lettered = any(
        part[:2] in {"MC", "PP", "MP", "DP"} for part in (*centres.latest, *centres.missing, *centres.fusing)
    )
    return (*said, *([text("centres_key", language)] if lettered else []))


def _centre(part: str, language: str) -> str:
    return part if part[:2] in {"MC", "PP", "MP", "DP"} else text(f"centre_{part}", language)
