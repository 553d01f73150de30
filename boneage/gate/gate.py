"""The input gate: is this one hand, upright, whole and usable? It fails closed.

Plain measures come first (size, contrast), then a very small network on a picture of the whole film, then the mask that
the estimate will rest on. The network and its thresholds are fitted on films of the training part with flaws made on
purpose (`boneage gate fit`), never on validation images. An inverted film and a right hand are corrected, and said;
everything else is a reason to withhold the estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boneage.errors import BoneageError
from boneage.gate.inputs import look_at_mask, picture
from boneage.gate.network import KINDS, GateModel, shipped_model
from boneage.preprocess.background import HANDMASK, MaskFunction, mask_session, network_identity

Film = NDArray[np.uint8]
Odds = NDArray[np.float64]
SMALLEST_SIDE = 80
LEAST_CONTRAST = 12.0
LEAST_SHARE = 0.03
_MIRRORED, _INVERTED = KINDS.index("mirrored"), KINDS.index("inverted")
_SENTENCES = {
    "not_hand": "this does not look like a radiograph of a hand",
    "two_hands": "the film shows more than one hand: cut out the left one",
    "cut_off": "part of the hand is cut off or hidden: fingers, palm and wrist are all needed",
    "turned": "the hand does not stand upright with its fingers up: turn the film",
}
_REFUSED = tuple(_SENTENCES)


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one film.

    Attributes:
        film: the film to estimate from, uint8 (H, W): as it came, or corrected.
        reasons: why an estimate is withheld; empty where the film is accepted.
        notes: what was corrected.
        kind: `small`, `blank`, `no_mask`, `doubtful_mask`, or one of `gatenet.KINDS`.
        usable: the probability, 0-1, that the film shows one usable hand.
        mask: the soft mask of `film`, uint8 (H, W), where it was looked at; whoever prepares the film with the same
            network need not ask for it again.
    """

    film: Film
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    kind: str
    usable: float
    mask: Film | None = None

    @property
    def accepted(self) -> bool:
        """Tell whether an estimate may be given."""
        return not self.reasons


class RefusedError(BoneageError):
    """An estimate that was withheld; `verdict` says why."""

    def __init__(self, verdict: Verdict) -> None:
        reasons = "; ".join((*verdict.reasons, *verdict.notes))
        super().__init__(f"no estimate is given: {reasons}. Whoever wants one in spite of that says so (--anyway)")
        self.verdict = verdict


class Gate:
    """Inspects films; opens its networks at the first one.

    Args:
        model: the fitted part; the one that ships with the package by default.
        mask: film to soft mask, uint8; the embedded mask network by default.
    """

    def __init__(self, model: GateModel | None = None, mask: MaskFunction | None = None) -> None:
        self.model = model or shipped_model()
        self._mask = mask
        self._shipped_mask = mask is None

    def masks_like(self, name: str) -> bool:
        """Tell whether the gate's masks are those of a background by name (`preprocess.background`)."""
        return self._shipped_mask and network_identity(name) == network_identity(HANDMASK)

    def inspect(self, film: Film) -> Verdict:
        """Judge one film, uint8 (H, W)."""
        plain = _plain_reason(film)
        if plain is not None:
            return Verdict(film, (plain[1],), (), plain[0], 0.0)
        odds, notes = self._odds(film), []
        if odds.argmax() == _INVERTED:
            film = np.asarray(255 - film, np.uint8)
            odds = self._odds(film)
            notes.append("the film was inverted (bones dark): it was corrected")
        usable = usable_odds(odds)
        if usable < self.model.thresholds.least_usable:
            kind = max(_REFUSED, key=lambda name: odds[KINDS.index(name)])
            return Verdict(film, (f"{_SENTENCES[kind]} ({1 - usable:.0%} sure)",), tuple(notes), kind, usable)
        mask = self._soft(film)
        doubt = self._doubt(mask)
        if doubt is not None:
            return Verdict(film, (doubt[1],), tuple(notes), doubt[0], usable, mask)
        if odds[_MIRRORED] > self.model.thresholds.surely_mirrored * usable:
            notes.append("the film seems to show a right hand or to be mirrored: it was mirrored back")
            return Verdict(np.ascontiguousarray(film[:, ::-1]), (), tuple(notes), "mirrored", usable)
        return Verdict(film, (), tuple(notes), "inverted" if notes else "usable", usable, mask)

    def _odds(self, film: Film) -> Odds:
        return self.model.probabilities(picture(film)[None])[0]

    def _soft(self, film: Film) -> Film:
        if self._mask is None:
            self._mask = mask_session(HANDMASK)
        return self._mask(film)

    def _doubt(self, mask: Film) -> tuple[str, str] | None:
        """Return (kind, sentence) where the mask cannot be trusted."""
        seen = look_at_mask(mask)
        if seen.share < LEAST_SHARE:
            return "no_mask", "no hand was found on the film"
        if seen.doubtful > self.model.thresholds.most_doubtful or seen.wholeness < self.model.thresholds.least_whole:
            return "doubtful_mask", "it is in doubt where the hand ends and the background begins"
        return None


def usable_odds(odds: Odds) -> float:
    """Return the probability that a film shows one usable hand, left or right, from those of `gatenet.KINDS` (7,)."""
    return float(odds[KINDS.index("usable")] + odds[_MIRRORED])


def _plain_reason(film: Film) -> tuple[str, str] | None:
    """Return (kind, sentence) where size or contrast alone decides."""
    height, width = film.shape
    if max(height, width) < SMALLEST_SIDE or min(height, width) < SMALLEST_SIDE // 2:
        wanted = f"{SMALLEST_SIDE} pixels along the longer side and {SMALLEST_SIDE // 2} along the shorter"
        return "small", f"the film is too small: {width} x {height} pixels, at least {wanted} are needed"
    low, high = np.percentile(film, (1, 99))
    if high - low < LEAST_CONTRAST:
        return "blank", f"the film is blank or nearly so: its grey levels span {high - low:.0f} of 255"
    return None
