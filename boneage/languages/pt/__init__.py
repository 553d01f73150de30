"""Portuguese (Brazil): the words of the page (`TEXTS`) and of warnings, refusals and errors (`NOTICES`)."""

from boneage.languages.pt.notices import NOTICES
from boneage.languages.pt.page import TEXTS

__all__ = ["NOTICES", "TEXTS"]
