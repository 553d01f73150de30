"""Warnings, corrections, refusals and errors as data: a stable code, a severity, parameters, and a sentence.

A `Notice` is a string, its English sentence, so it stands wherever a sentence stood: in an error, a tuple of warnings,
a line of JSON. Code and parameters stay with it, and `say` puts it into another language. The sentences lie
in `boneage.languages`, one folder per language.

>>> found = Notice("mask.no_hand", share=0.01)
>>> found.code, str(found)
('mask.no_hand', 'no hand was found (its mask is 1% of the film): the whole film was used')
>>> found.say("es")
'no se halló ninguna mano (su máscara es el 1% de la placa): se usó la placa entera'
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from boneage.languages.texts import DEFAULT_LANGUAGE, capitalised, notice_text

OTHER_CODE = "other"
"""The code of a sentence that has none of its own."""


class Severity(StrEnum):
    """What a notice means for the estimate.

    `NOTE`: something was corrected or is good to know. `WARNING`: the estimate is less certain, or something given is
    contradicted. `REFUSAL`: no estimate is given. `ERROR`: the request, a file or the store is not usable.
    """

    NOTE = "note"
    WARNING = "warning"
    REFUSAL = "refusal"
    ERROR = "error"


class Notice(str):
    """One sentence for the reader, with its code.

    Attributes:
        code: what identifies its kind, such as `gate.two_hands`; never renamed.
        severity: what it means for the estimate.
        parameters: the values in its sentence, by name.
    """

    code: str
    severity: Severity
    parameters: dict[str, Any]

    def __new__(cls, code: str, severity: Severity = Severity.WARNING, /, **parameters: Any) -> Notice:
        """Make a notice; `parameters` fill the placeholders of its sentence.

        Raises:
            KeyError: when no sentence is known for the code, or a parameter is missing.
        """
        # What an error says, not the error, which need not survive on its way to another process.
        said = {name: sentence_of(value) for name, value in parameters.items() if isinstance(value, BaseException)}
        plain = parameters | said
        made = super().__new__(cls, notice_text(code, DEFAULT_LANGUAGE, plain))
        made.code, made.severity, made.parameters = code, severity, plain
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.code, self.severity, self.parameters)

    def say(self, language: str) -> str:
        """Return the sentence in a language; an unknown one is read as English."""
        return notice_text(self.code, language, self.parameters)

    def to_json(self) -> dict[str, Any]:
        """Return code, severity, parameters and the English sentence as plain values."""
        plain = {key: value if isinstance(value, int | float) else str(value) for key, value in self.parameters.items()}
        return {"code": self.code, "severity": str(self.severity), "parameters": plain, "sentence": str(self)}


def note(code: str, /, **parameters: Any) -> Notice:
    """Make a notice of something that was corrected or is good to know."""
    return Notice(code, Severity.NOTE, **parameters)


def warning(code: str, /, **parameters: Any) -> Notice:
    """Make a notice of something that makes the estimate less certain."""
    return Notice(code, Severity.WARNING, **parameters)


def refusal(code: str, /, **parameters: Any) -> Notice:
    """Make a notice of why no estimate is given."""
    return Notice(code, Severity.REFUSAL, **parameters)


def fault(code: str, /, **parameters: Any) -> Notice:
    """Make the sentence of an error: what was wanted, what came, what to do."""
    return Notice(code, Severity.ERROR, **parameters)


def code_of(sentence: str) -> str:
    """Return a sentence's code, `other` where it is a plain text, as another program's error is."""
    return sentence.code if isinstance(sentence, Notice) else OTHER_CODE


def severity_of(sentence: str) -> Severity:
    """Return what a sentence means for the estimate; a plain text is a warning."""
    return sentence.severity if isinstance(sentence, Notice) else Severity.WARNING


def codes_of(sentences: Iterable[str]) -> list[str]:
    """Return the codes of sentences, in their order."""
    return [code_of(sentence) for sentence in sentences]


def sentence_of(said: str | BaseException) -> str:
    """Return what an error says, a notice where it is one; a sentence is returned as it is."""
    if isinstance(said, BaseException):
        return getattr(said, "sentence", "") or str(said) or type(said).__name__
    return said


def coded(said: str | BaseException) -> str:
    """Return a sentence, or what an error says, behind its code: `[gate.two_hands] the film shows ...`, for logs.

    Where a log must hold nothing of a patient, `code_of` gives the code alone.
    """
    sentence = sentence_of(said)
    return f"[{code_of(sentence)}] {sentence}"


def say(sentence: str, language: str) -> str:
    """Return a sentence in a language where it is a notice, else as it is; it begins with a capital letter."""
    return capitalised(sentence.say(language) if isinstance(sentence, Notice) else sentence)


def _again(code: str, severity: Severity, parameters: dict[str, Any]) -> Notice:
    return Notice(code, severity, **parameters)
