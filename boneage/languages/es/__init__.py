"""Spanish: the words of page and reports (`TEXTS`) and of warnings, refusals and errors (`NOTICES`)."""

from boneage.languages.es import hospital, page
from boneage.languages.es.notices import NOTICES

TEXTS = {**page.TEXTS, **hospital.TEXTS}

__all__ = ["NOTICES", "TEXTS"]
