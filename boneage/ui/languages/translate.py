"""Sentences that the rooms below write in English (warnings, refusals), said in the visitor's language."""

from __future__ import annotations

import re
from html import escape

from boneage.ui.languages.sentences import SENTENCES
from boneage.ui.languages.texts import text


def sentence_in(language: str, english: str) -> str:
    """Return a sentence in a language where it is known, else in English; it begins with a capital letter."""
    return _capital(_said(language, english))


def _said(language: str, english: str) -> str:
    for pattern, portuguese, spanish in SENTENCES if language in {"pt", "es"} else ():
        found = re.fullmatch(pattern, english)
        if found:
            template = portuguese if language == "pt" else spanish
            return template.format(*(_word(group, language) for group in found.groups()))
    return english


def with_commands(sentence: str) -> str:
    """Return a sentence as HTML, what stands between backticks set as code."""
    parts = escape(sentence).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _word(group: str, language: str) -> str:
    """Say a part of a sentence: a sex, a number with its decimal mark, or a sentence within it."""
    if re.fullmatch(r"\d+\.\d+%?", group):
        return group.replace(".", ",")
    return text(group, language).lower() if group in {"female", "male"} else _said(language, group)


def _capital(sentence: str) -> str:
    """Begin with a capital letter, unless the first word is a name such as `hand.png`."""
    first = sentence.split(" ", 1)[0]
    return sentence[:1].upper() + sentence[1:] if first.isalpha() else sentence
