"""Save an estimated film with the reader's age; what was estimated is saved, not what the inputs say now."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from boneage.groups import MAX_AGE_MONTHS, MIN_AGE_MONTHS, Sex
from boneage.languages.texts import text
from boneage.ui.errors import PageError
from boneage.ui.estimate.case import Case
from boneage.ui.estimate.pictures import decode_png

if TYPE_CHECKING:
    from boneage.data.flags import FlagStore
    from boneage.ui.estimate.recent import RecentCases

MAX_COMMENT = 500


@dataclass(frozen=True)
class Flagged:
    """Where a case went; `updated` when the same image had been saved before."""

    name: str
    folder: str
    updated: bool


def flag_case(
    store: FlagStore, case: Case | None, reader_age_months: float | None, comment: str, consent: bool, language: str
) -> Flagged:
    """Save a case with the reader's own age and comment.

    Raises:
        PageError: when there is no case, no consent, or the reader's age cannot be.
        BoneageError: when it cannot be written.
    """
    from boneage.data.flags import FlagRecord

    if case is None:
        raise PageError(text("flag_nothing", language))
    if consent is not True:
        raise PageError(text("flag_consent_needed", language))
    if reader_age_months is not None and not MIN_AGE_MONTHS <= reader_age_months <= MAX_AGE_MONTHS:
        raise PageError(text("flag_wrong_age", language, given=f"{reader_age_months:g}"))
    pixels = decode_png(case.png)
    record = FlagRecord(
        sex=Sex(case.estimate.sex),
        estimated_age_months=round(case.estimate.bone_age_months, 2),
        reader_age_months=reader_age_months,
        model=case.estimate.model,
        version=str(case.estimate.version),
        comment=(comment or "").strip()[:MAX_COMMENT],
        key=case.key,
    )
    saved = store.save(pixels, record)
    # Where in the project: the server's own folders are nobody's business.
    folder = saved.path.parent.relative_to(store.folder.parent).as_posix()
    return Flagged(saved.path.name, folder, saved.updated)


def case_of_key(recent: RecentCases, key: str, visit: str | None, language: str) -> Case:
    """Return the estimate that a reading belongs to: that of the key, else the visit's last one.

    Args:
        recent: the estimates that can still be saved.
        key: as `/predict` returned it; empty for the last call's, which must have succeeded.
        visit: who asks.
        language: of the error.

    Raises:
        PageError: when there is no such estimate, or the visit's last call failed.
    """
    if not key:
        key = recent.last(visit)
        if not key:
            raise PageError(text("flag_nothing", language))
    case = recent.find(key)
    if case is None:
        raise PageError(text("flag_forgotten", language))
    return case


def flagged_words(flagged: Flagged, language: str) -> str:
    """Say where a case went, as HTML."""
    key = "flag_updated" if flagged.updated else "flag_saved"
    words = text(key, language, name=flagged.name, folder=flagged.folder)
    return f'<p class="ba-done" role="status">{escape(words)}</p>'
