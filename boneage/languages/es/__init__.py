"""Spanish: the words of the page (`TEXTS`) and of warnings, refusals and errors (`NOTICES`)."""

from boneage.languages.es.notices import NOTICES
from boneage.languages.es.page import TEXTS

__all__ = ["NOTICES", "TEXTS"]
