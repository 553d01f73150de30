"""Save an estimated film with the reader's age; what was estimated is saved, not what the inputs say now."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from boneage.data.flags import pixels_sha256
from boneage.groups import MAX_AGE_MONTHS, MIN_AGE_MONTHS, Sex
from boneage.hospital.audit_trail import log
from boneage.languages.texts import text
from boneage.ui.errors import PageError
from boneage.ui.estimate.case import Case
from boneage.ui.estimate.pictures import decode_png

if TYPE_CHECKING:
    from boneage.data.flags import FlagStore
    from boneage.hospital.deidentify import Cleaned
    from boneage.ui.estimate.recent import RecentCases

MAX_COMMENT = 500


@dataclass(frozen=True)
class Reading:
    """What a reader says of a film.

    Attributes:
        age_months: the reader's own age, None without one.
        comment: in words.
        consent: whether the image may be kept.
        who: the reader's login; empty without one.
    """

    age_months: float | None = None
    comment: str = ""
    consent: bool = False
    who: str = ""

    def check(self, language: str) -> None:
        """Refuse what cannot be saved.

        Raises:
            PageError: when there is no consent, or the age cannot be.
        """
        if self.consent is not True:
            raise PageError(text("flag_consent_needed", language))
        if self.age_months is not None and not MIN_AGE_MONTHS <= self.age_months <= MAX_AGE_MONTHS:
            raise PageError(text("flag_wrong_age", language, given=f"{self.age_months:g}"))


@dataclass(frozen=True)
class Flagged:
    """Where a case went.

    Attributes:
        name: of the PNG.
        folder: in the project.
        updated: whether the same image had been saved before.
        texts: how many pieces of text were blacked out; None where they were not looked for.
    """

    name: str
    folder: str
    updated: bool
    texts: int | None = None


def flag_case(store: FlagStore, case: Case, reading: Reading, cleaned: Cleaned | None, language: str) -> Flagged:
    """Save a case with what the reader says of it.

    Args:
        store: where it is saved.
        case: the estimate.
        reading: the reader's.
        cleaned: the film without burned-in text; None saves it as it is.
        language: of the errors.

    Raises:
        PageError: when there is no consent, or the reader's age cannot be.
        BoneageError: when it cannot be written.
    """
    from boneage.data.flags import FlagRecord

    reading.check(language)
    film = decode_png(case.png)
    version = str(case.estimate.version)
    log("flagged", reading.who, film=pixels_sha256(film), model=case.estimate.model, version=version, key=case.key)
    record = FlagRecord(
        sex=Sex(case.estimate.sex),
        estimated_age_months=round(case.estimate.bone_age_months, 2),
        reader_age_months=reading.age_months,
        model=case.estimate.model,
        version=version,
        comment=(reading.comment or "").strip()[:MAX_COMMENT],
        key=case.key,
    )
    saved = store.save(film if cleaned is None else cleaned.film, record)
    # Where in the project: the server's own folders are nobody's business.
    folder = saved.path.parent.relative_to(store.folder.parent).as_posix()
    return Flagged(saved.path.name, folder, saved.updated, None if cleaned is None else cleaned.texts)


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
    """Say where a case went and what became of text on its film, as HTML."""
    key = "flag_updated" if flagged.updated else "flag_saved"
    words = text(key, language, name=flagged.name, folder=flagged.folder)
    if flagged.texts is None:
        words += " " + text("flag_text_missing", language)
    elif flagged.texts:
        words += " " + text("flag_text_gone", language, count=flagged.texts)
    return f'<p class="ba-done" role="status">{escape(words)}</p>'
