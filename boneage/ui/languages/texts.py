"""Look up the page's texts in English, Portuguese or Spanish, and say ages in words."""

from __future__ import annotations

from collections.abc import Mapping

from boneage.groups import AGE_GROUPS, AgeGroup
from boneage.ui.languages import en, es, pt

LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": en.TEXTS, "pt": pt.TEXTS, "es": es.TEXTS}
DEFAULT_LANGUAGE = "en"


def text(key: str, language: str, **values: object) -> str:
    """Return one text with its `{placeholders}` filled in; an unknown language is read as English."""
    return LANGUAGES.get(language, LANGUAGES[DEFAULT_LANGUAGE])[key].format(**values)


def language_choices() -> list[tuple[str, str]]:
    """Return (name, code) of every language, each name in its own language."""
    return [(table["language_name"], code) for code, table in LANGUAGES.items()]


def preferred_language(accept_language: str) -> str:
    """Return the best language for a browser's `Accept-Language` header, for example `pt-BR,pt;q=0.9,en;q=0.8`."""
    wishes = []
    for place, part in enumerate(accept_language.split(",")):
        tag, _, weight = part.strip().partition(";q=")
        wishes.append((-_weight(weight), place, tag.split("-")[0].strip().lower()))
    return next((code for _, _, code in sorted(wishes) if code in LANGUAGES), DEFAULT_LANGUAGE)


def _weight(written: str) -> float:
    try:
        return float(written) if written else 1.0
    except ValueError:
        return 0.0


def age_in_words(months: float, language: str) -> str:
    """Say an age (months, rounded to whole ones) as years and months: `9 years 4 months`, `9 anos e 4 meses`."""
    years, rest = divmod(round(abs(months)), 12)
    parts = [text(f"years_{_number(years)}", language, n=years)] if years else []
    if rest or not years:
        parts.append(text(f"months_{_number(rest)}", language, n=rest))
    return text("and_join", language, a=parts[0], b=parts[1]) if len(parts) == 2 else parts[0]


def _number(count: int) -> str:
    return "one" if count == 1 else "many"


def number(value: float, language: str, digits: int = 1) -> str:
    """Write a number with the language's decimal mark and at most `digits` decimals."""
    written = f"{value:.{digits}f}"
    written = written.rstrip("0").rstrip(".") if "." in written else written
    return written if language == "en" else written.replace(".", ",")


def range_choices(language: str) -> list[tuple[str, str]]:
    """Return (text, value) of the age ranges; the empty value lets the classifier decide."""
    return [(text("range_auto", language), "")] + [(_range_text(group, language), group.label) for group in AGE_GROUPS]


def _range_text(group: AgeGroup, language: str) -> str:
    years = f"{number(group.low / 12, language)}–{number(group.high / 12, language)}"
    return text("range_option", language, label=group.label.replace("-", "–"), years=years)


def sex_choices(language: str) -> list[tuple[str, str]]:
    """Return (text, value) of the two sexes."""
    return [(text("female", language), "female"), (text("male", language), "male")]
