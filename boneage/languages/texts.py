"""Look up texts and notices in the visitor's language, and say ages and numbers in words."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Formatter
from typing import Any

from boneage.groups import AGE_GROUPS, AgeGroup, Sex

DEFAULT_LANGUAGE = "en"
_OF_NOTICES = {"notices.toml", "commands.toml"}


def _words(of_notices: bool) -> dict[str, dict[str, str]]:
    """Read the words of every language, `{language: {key: words}}`: those of notices, or all others."""
    words: dict[str, dict[str, str]] = {}
    for file in sorted(Path(__file__).parent.glob("*/*.toml")):
        if (file.name in _OF_NOTICES) == of_notices:
            words.setdefault(file.parent.name, {}).update(tomllib.loads(file.read_text(encoding="utf-8")))
    return words


LANGUAGES: Mapping[str, Mapping[str, str]] = _words(of_notices=False)
"""The texts of page and reports by language and key."""
NOTICES: Mapping[str, Mapping[str, str]] = _words(of_notices=True)
"""The sentences of notices by language and code; what only commands say is there in English alone."""


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
    return written.replace(".", text("decimal_mark", language))


def range_choices(language: str) -> list[tuple[str, str]]:
    """Return (text, value) of the age ranges; the empty value lets the classifier decide."""
    return [(text("range_auto", language), "")] + [(_range_text(group, language), group.label) for group in AGE_GROUPS]


def _range_text(group: AgeGroup, language: str) -> str:
    years = f"{number(group.low / 12, language)}–{number(group.high / 12, language)}"
    return text("range_option", language, label=group.label.replace("-", "–"), years=years)


def sex_choices(language: str) -> list[tuple[str, str]]:
    """Return (text, value) of the two sexes."""
    return [(text("female", language), "female"), (text("male", language), "male")]


def notice_text(code: str, language: str, parameters: Mapping[str, Any]) -> str:
    """Return a notice's sentence; an unknown language, or a sentence that it lacks, is read as English.

    Args:
        code: a key of the English `NOTICES`, such as `mask.parts`.
        language: a key of `LANGUAGES`.
        parameters: the values of the sentence's placeholders: texts, numbers, sexes, or notices within it.
    """
    sentence = NOTICES.get(language, {}).get(code) or NOTICES[DEFAULT_LANGUAGE][code]
    return _Sentence(language).vformat(sentence, (), parameters)


def capitalised(sentence: str) -> str:
    """Begin a sentence with a capital letter, unless its first word is a name such as `hand.png`."""
    first = sentence.split(" ", 1)[0]
    return sentence[:1].upper() + sentence[1:] if first.isalpha() else sentence


def with_commands(sentence: str) -> str:
    """Return a sentence as HTML, what stands between backticks set as code."""
    parts = escape(sentence).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


class _Sentence(Formatter):
    """Fills in a sentence's placeholders as its language writes numbers and sexes."""

    def __init__(self, language: str) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, list | tuple):
            return "; ".join(self.format_field(each, format_spec) for each in value)
        if hasattr(value, "say"):
            return str(value.say(self._language))
        if isinstance(value, Sex):
            return text(value, self._language).lower()
        written = format(value, format_spec)
        return written.replace(".", text("decimal_mark", self._language)) if isinstance(value, float) else written
