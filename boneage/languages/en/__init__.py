"""English: the words of the page (`TEXTS`) and of warnings, refusals and errors (`NOTICES`)."""

from boneage.languages.en.notices import NOTICES
from boneage.languages.en.page import TEXTS

__all__ = ["NOTICES", "TEXTS"]
