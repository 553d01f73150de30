"""Sentences that the rooms below write in English (warnings, refusals), said in the visitor's language."""

from __future__ import annotations

import re

# One row per sentence: the English pattern, and its Portuguese and Spanish with the same groups. What is not here is
# shown in English: better an English warning than none.
_SENTENCES: tuple[tuple[str, str, str], ...] = ()


def sentence_in(language: str, english: str) -> str:
    """Return a sentence in a language where it is known, else in English; it begins with a capital letter."""
    for pattern, portuguese, spanish in _SENTENCES:
        found = re.fullmatch(pattern, english)
        if found and language in {"pt", "es"}:
            template = portuguese if language == "pt" else spanish
            return _capital(template.format(*found.groups()))
    return _capital(english)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
