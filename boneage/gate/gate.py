"""Inspect a film before it is estimated: one whole, upright, usable hand? In doubt it is refused.

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
from boneage.notices import Notice, code_of, note, refusal
from boneage.preprocess.background import HANDMASK, MaskFunction, mask_session, network_identity

Film = NDArray[np.uint8]
Odds = NDArray[np.float64]
SMALLEST_SIDE = 80
LEAST_CONTRAST = 12.0
LEAST_SHARE = 0.03
_MIRRORED, _INVERTED = KINDS.index("mirrored"), KINDS.index("inverted")
_REFUSED = ("not_hand", "two_hands", "cut_off", "turned")


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
    reasons: tuple[Notice, ...]
    notes: tuple[Notice, ...]
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
        super().__init__(refusal("gate.refused", reasons=(*verdict.reasons, *verdict.notes)))
        self.verdict = verdict

    @property
    def code(self) -> str:
        """The code of the first reason, such as `gate.two_hands`."""
        return code_of(self.verdict.reasons[0])


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
            return Verdict(film, (plain,), (), _kind(plain), 0.0)
        odds, notes = self._odds(film), list[Notice]()
        if odds.argmax() == _INVERTED:
            film = np.asarray(255 - film, np.uint8)
            odds = self._odds(film)
            notes.append(note("gate.inverted"))
        usable = usable_odds(odds)
        if usable < self.model.thresholds.least_usable:
            kind = max(_REFUSED, key=lambda name: odds[KINDS.index(name)])
            return Verdict(film, (refusal(f"gate.{kind}", sure=1 - usable),), tuple(notes), kind, usable)
        mask = self._soft(film)
        doubt = self._doubt(mask)
        if doubt is not None:
            return Verdict(film, (doubt,), tuple(notes), _kind(doubt), usable, mask)
        if odds[_MIRRORED] > self.model.thresholds.surely_mirrored * usable:
            notes.append(note("gate.mirrored"))
            return Verdict(np.ascontiguousarray(film[:, ::-1]), (), tuple(notes), "mirrored", usable)
        return Verdict(film, (), tuple(notes), "inverted" if notes else "usable", usable, mask)

    def _odds(self, film: Film) -> Odds:
        return self.model.probabilities(picture(film)[None])[0]

    def _soft(self, film: Film) -> Film:
        if self._mask is None:
            self._mask = mask_session(HANDMASK)
        return self._mask(film)

    def _doubt(self, mask: Film) -> Notice | None:
        """Return the reason where the mask cannot be trusted."""
        seen = look_at_mask(mask)
        if seen.share < LEAST_SHARE:
            return refusal("gate.no_mask")
        if seen.doubtful > self.model.thresholds.most_doubtful or seen.wholeness < self.model.thresholds.least_whole:
            return refusal("gate.doubtful_mask")
        return None


def usable_odds(odds: Odds) -> float:
    """Return the probability that a film shows one usable hand, left or right, from those of `gatenet.KINDS` (7,)."""
    return float(odds[KINDS.index("usable")] + odds[_MIRRORED])


def _kind(reason: Notice) -> str:
    return reason.code.removeprefix("gate.")


def _plain_reason(film: Film) -> Notice | None:
    """Return the reason where size or contrast alone decides."""
    height, width = film.shape
    if max(height, width) < SMALLEST_SIDE or min(height, width) < SMALLEST_SIDE // 2:
        least = {"longer": SMALLEST_SIDE, "shorter": SMALLEST_SIDE // 2}
        return refusal("gate.small", width=width, height=height, **least)
    low, high = np.percentile(film, (1, 99))
    if high - low < LEAST_CONTRAST:
        return refusal("gate.blank", span=float(high - low))
    return None
