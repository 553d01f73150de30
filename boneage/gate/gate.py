"""Inspect a film before it is estimated: one whole, upright, usable hand? In doubt it is refused.

Plain measures come first (size, contrast), then a very small network on a picture of the whole film, then the mask that
the estimate will rest on. The network and its thresholds are fitted on films of the training part with flaws made on
purpose (`boneage gate fit`), never on validation images. A field, an inverted film, a hand that lies or leans, a right
hand and one of two hands are put right, and said; everything else is a reason to withhold the estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from boneage.errors import BoneageError
from boneage.gate import pose
from boneage.gate.inputs import MaskLook, blurred, look_at_mask, picture
from boneage.gate.network import KINDS, GateModel, shipped_model
from boneage.notices import Notice, code_of, codes_of, note, refusal, warning
from boneage.preprocess.background import HANDMASK, MaskFunction, mask_session, network_identity
from boneage.preprocess.field import Field

Film = NDArray[np.uint8]
Odds = NDArray[np.float64]
SMALLEST_SIDE = 80
LEAST_CONTRAST = 12.0
LEAST_SHARE = 0.03
# Doubtful pixels from which the mask network is asked a second time: one film in a hundred has as many.
_IN_DOUBT = 0.2
# A mask of which the largest part has less than this shows no hand.
_NO_WHOLE = 0.6
_MIRRORED, _INVERTED = KINDS.index("mirrored"), KINDS.index("inverted")
# A film that was turned must be this surely a usable hand: several turns are tried.
_SURE = 0.8
_TURNED = 0.2
_RIM, _SLIGHT_DEGREES = 0.9, 5.0
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
        field: the exposed field that was found on the film and cropped to, None where it has no border.
        angle: degrees by which the film was turned counter-clockwise, 0 where it was not.
        right: the probability, 0-1, that a usable hand is a right one or mirrored.
        look: what was measured on the mask, None where it was not looked at.
    """

    film: Film
    reasons: tuple[Notice, ...]
    notes: tuple[Notice, ...]
    kind: str
    usable: float
    mask: Film | None = None
    field: Field | None = None
    angle: float = 0.0
    right: float = 0.0
    look: MaskLook | None = None

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

    def inspect(self, film: Film, laterality: str | None = None) -> Verdict:
        """Judge one film, and bring it into the pose that the networks know.

        The exposed field is looked for first; a hand that lies or leans is turned upright, a right hand mirrored, and
        of two hands one is taken. All of that is said.

        Args:
            film: uint8 (H, W).
            laterality: "L" or "R" where the file or the user says which hand it is: that outranks what the network
                says, and chooses among two hands. None: the left one is wanted.
        """
        plain = _plain_reason(film)
        if plain is not None:
            return Verdict(film, (plain,), (), _kind(plain), 0.0)
        fields = pose.fields_of(film, SMALLEST_SIDE, self._soft)
        judged = [self._in_field(part, field, laterality) for part, field in fields]
        found = _wanted(judged, laterality)
        if sum(one.accepted for one in judged) > 1 and _taken(laterality).code not in codes_of(found.notes):
            found = replace(found, notes=(_taken(laterality), *found.notes))
        if not found.accepted and found.field is not None:
            whole = self._in_field(film, None, laterality)
            found = whole if whole.accepted else found
        cleared = found.field is None and fields[0][0] is not film and fields[0][1] is None
        said = (note("gate.field"),) if cleared else _said_of(found.field, film)
        return replace(found, notes=(*said, *found.notes))

    def _in_field(self, film: Film, field: Field | None, laterality: str | None) -> Verdict:
        """Judge the part of a film within its field: one hand, or one of two."""
        verdict = self._one_hand(film, laterality)
        if verdict.kind == "two_hands":
            parts = pose.halves(film, self._soft(film))
            judged = [self._one_hand(part, None) for part in parts or ()]
            whole = [one for one in judged if one.accepted]
            if whole:
                chosen = _wanted(whole, laterality)
                if laterality == "R":
                    index = next(i for i, one in enumerate(judged) if one is chosen)
                    chosen = self._one_hand((parts or ())[index], "R")
                verdict = replace(chosen, notes=(_taken(laterality), *chosen.notes))
        return replace(verdict, field=field)

    def _one_hand(self, film: Film, laterality: str | None) -> Verdict:
        """Judge a film that should show one hand: turned and mirrored where that makes it a left hand upright."""
        odds, notes = self._odds(film), list[Notice]()
        if odds.argmax() == _INVERTED:
            film = np.asarray(255 - film, np.uint8)
            odds = self._odds(film)
            notes.append(note("gate.inverted"))
        mask = self._soft(film)
        film, mask, odds, angle = self._upright(film, mask, odds)
        if angle:
            notes.append(note("gate.upright", degrees=angle))
        usable, limits = usable_odds(odds), self.model.thresholds
        right = float(odds[_MIRRORED] / max(usable, 1e-9))
        two = usable < limits.least_usable and odds.argmax() == KINDS.index("two_hands")  # one of them is sure
        if two or usable < min(limits.least_sure, limits.least_usable):
            kind = max(_REFUSED, key=lambda name: odds[KINDS.index(name)])
            return Verdict(film, (refusal(f"gate.{kind}", sure=1 - usable),), tuple(notes), kind, usable, mask)
        mask, look = self._clearer(film, mask)
        doubt = self._doubt(look, 1 - usable)
        unsure = usable < limits.least_usable
        if doubt is not None and (doubt.code == "gate.no_mask" or unsure or not limits.unsure_accepted):
            return Verdict(film, (doubt,), tuple(notes), _kind(doubt), usable, mask, right=right, look=look)
        if unsure:
            notes.append(warning("gate.unsure", sure=usable))
        elif doubt is not None:
            cut = doubt.code == "gate.cut_off"
            notes.append(warning("gate.unsure_cut") if cut else warning("gate.unsure_mask"))
        kind = "inverted" if "gate.inverted" in codes_of(notes) else "usable"
        made = Verdict(film, (), tuple(notes), kind, usable, mask, angle=angle, right=right, look=look)
        return _as_left(made, laterality, limits.surely_mirrored)

    def _upright(self, film: Film, mask: Film, odds: Odds) -> tuple[Film, Film, Odds, float]:
        """Turn a film whose hand lies or leans, if it then is surely a usable hand.

        Returns:
            Film, mask and odds, of the turned film or as they came, and the degrees, counter-clockwise.
        """
        lying = pose.lean(mask)
        usable = usable_odds(odds)
        well = usable >= self.model.thresholds.least_usable
        if (well and abs(lying) < pose.LEAST_TILT) or (not well and not _may_lie(odds)):
            return film, mask, odds, 0.0
        angles, films = zip(*pose.turned_films(film, mask, lying), strict=True)
        all_odds = self.model.probabilities(np.stack([picture(one) for one in films]))
        best = int(np.argmax([usable_odds(one) for one in all_odds]))
        if usable_odds(all_odds[best]) < max(self.model.thresholds.least_usable, _SURE, usable if not well else 0.0):
            return film, mask, odds, 0.0
        if well and abs((angles[best] - lying + 180) % 360 - 180) > pose.LEAST_TILT:
            return film, mask, odds, 0.0  # it stands as it is: the mask's axis was that of an odd mask
        return films[best], self._soft(films[best]), all_odds[best], angles[best]

    def _odds(self, film: Film) -> Odds:
        return self.model.probabilities(picture(film)[None])[0]

    def _soft(self, film: Film) -> Film:
        if self._mask is None:
            self._mask = mask_session(HANDMASK)
        return self._mask(film)

    def _clearer(self, film: Film, mask: Film) -> tuple[Film, MaskLook]:
        """Return a mask and its measures; where much of it is in doubt, that of the blurred film if it is clearer.

        Bones alone, without soft tissue, are what the network has not met; blurred they fill a hand's outline.
        """
        look = look_at_mask(mask)
        if look.doubtful <= _IN_DOUBT:
            return mask, look
        again = self._soft(blurred(film))
        other = look_at_mask(again)
        return (again, other) if other.doubtful < look.doubtful else (mask, look)

    def _doubt(self, seen: MaskLook, sure: float) -> Notice | None:
        """Return the reason where the mask cannot be trusted; `sure` is what the network says against the film."""
        limits = self.model.thresholds
        if seen.share < LEAST_SHARE or (limits.unsure_accepted and seen.wholeness < _NO_WHOLE):
            return refusal("gate.no_mask")
        if seen.doubtful > limits.most_doubtful or seen.wholeness < limits.least_whole:
            return refusal("gate.doubtful_mask")
        if seen.cut > limits.most_cut:
            return refusal("gate.cut_off", sure=sure)
        return None


def _may_lie(odds: Odds) -> bool:
    """Tell whether a film that is refused as it is may be right once turned.

    A cut hand leans, too, and turned it can look like a whole one. On training films that the network never saw, those
    that were turned have at least 0.38 of the other kinds' probability for that, those that were cut 0.05 at most.
    """
    others = max(float(odds[KINDS.index(name)]) for name in ("not_hand", "two_hands", "cut_off"))
    return bool(odds[KINDS.index("turned")] > _TURNED * others)


def _as_left(made: Verdict, laterality: str | None, surely: float) -> Verdict:
    """Mirror an accepted film where it is said, or else seems, to show a right hand."""
    seems = made.right > surely
    if laterality == "L" or not (laterality == "R" or seems):
        odd = (warning("gate.looks_right"),) if seems else ()
        return replace(made, notes=(*made.notes, *odd))
    said = note("gate.mirrored_said") if laterality == "R" else note("gate.mirrored")
    film = np.ascontiguousarray(made.film[:, ::-1])
    return replace(made, film=film, notes=(*made.notes, said), kind="mirrored", mask=None)


def _wanted(verdicts: Sequence[Verdict], laterality: str | None) -> Verdict:
    """Return the accepted film that most seems to be the wanted hand, else the one that is nearest to a usable hand."""
    accepted = [one for one in verdicts if one.accepted]
    if not accepted:
        return max(verdicts, key=lambda one: one.usable)
    return min(accepted, key=lambda one: one.right if laterality != "R" else -one.right)


def _taken(laterality: str | None) -> Notice:
    return note("gate.right_taken") if laterality == "R" else note("gate.left_taken")


def _said_of(field: Field | None, film: Film) -> tuple[Notice, ...]:
    """Say that a field was found where that changes more than a rim."""
    if field is None:
        return ()
    if abs(field.angle) > _SLIGHT_DEGREES:
        return (note("gate.field_straightened", degrees=field.angle),)
    return (note("gate.field"),) if float(np.prod(field.size)) < _RIM * film.size else ()


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
