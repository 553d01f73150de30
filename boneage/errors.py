"""The base of all errors that users see; a message says what was wanted, what came and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Self

from boneage.notices import code_of, fault


class BoneageError(ValueError):
    """Base of all errors whose message is written for the user; the command line prints it without a traceback."""

    @classmethod
    def of(cls, code: str, /, **parameters: Any) -> Self:
        """Make an error of its code and the parameters of its sentence, both as of `boneage.notices.fault`."""
        return cls(fault(code, **parameters))

    @property
    def sentence(self) -> str:
        """The message: a `Notice` where its kind has a code, else plain text."""
        return self.args[0] if self.args and isinstance(self.args[0], str) else str(self)

    @property
    def code(self) -> str:
        """The code of the message (`boneage.notices`), `other` where it has none."""
        return code_of(self.sentence)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like the one given, whatever its case; there must be some known ones."""
    names = {each.lower(): each for each in known}
    return names[difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.0)[0]]
