"""Find text that is burned into a film and black it out outside the hand; side markers stay.

Detection and reading are rapidocr's small networks (extra `deidentify`), which ship within its package: no film and no
text leaves the machine. What is found is shown before anything is changed; the hand's pixels are never touched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.hospital.dicom_out import need
from boneage.preprocess.background import HANDMASK, MaskFunction, mask_session

Film = NDArray[np.uint8]
Mask = NDArray[np.bool_]
_SIDE = re.compile(r"(L|R|LEFT|RIGHT|IZQ|DER|ESQ|DIR)[.):]?", re.IGNORECASE)
_LONGER_SIDE = 1600
_SMALLEST_SIDE = 700
_GROWN, _APART = 0.25, 1.0
"""By how many of its heights a text's box is grown: to cover its letters, and to look for text beside it."""
_HAND_MARGIN = 0.006
_IN_THE_HAND = 128


@dataclass(frozen=True)
class Text:
    """A piece of text on a film.

    Attributes:
        corners: float32 (4, 2), (x, y) in pixels of the film.
        words: as they were read; may be wrong or empty.
        is_side_marker: whether it only says which hand it is, and stays; so does a lone letter, which names nobody and
            is often a marker that was misread. A letter beside longer text is a part of that.
    """

    corners: NDArray[np.float32]
    words: str
    is_side_marker: bool


@dataclass(frozen=True)
class Cleaned:
    """A film without burned-in text.

    Attributes:
        film: uint8 (H, W), text blacked out outside the hand.
        found: every piece of text, side markers included.
        removed: bool (H, W), the pixels that were blacked out.
        over_the_hand: how many pieces reach into the hand and were left there in part: a reader must look.
    """

    film: Film
    found: tuple[Text, ...]
    removed: Mask
    over_the_hand: int

    @property
    def texts(self) -> int:
        """Count the pieces of text that are no side marker."""
        return sum(not one.is_side_marker for one in self.found)


def find_text(film: Film) -> tuple[Text, ...]:
    """Return the text on a film, uint8 (H, W), upright or turned by a quarter.

    Raises:
        HospitalError: when the extra `deidentify` is not installed.
    """
    need("rapidocr", extra="deidentify")
    found = [*_read(film, 0), *_read(film, 1)]
    longer = np.zeros(film.shape, bool)
    for one in found:
        if not _may_say_the_side(one.words):
            longer |= _area(one, film.shape)
    return tuple(replace(one, is_side_marker=_is_marker(one, longer)) for one in found)


def clean(film: Film, hand: Mask) -> Cleaned:
    """Black out the text outside the hand.

    Args:
        film: uint8 (H, W).
        hand: bool (H, W), the hand; a margin round it is kept as well.

    Raises:
        HospitalError: as `find_text`.
    """
    found = find_text(film)
    margin = max(1, round(_HAND_MARGIN * max(film.shape)))
    kept = cv2.dilate(hand.astype(np.uint8), np.ones((2 * margin + 1,) * 2, np.uint8)) > 0
    removed, over = np.zeros(film.shape, bool), 0
    for text in found:
        if not text.is_side_marker:
            area = _area(text, film.shape)
            over += bool((area & hand).any())
            removed |= area & ~kept
    return Cleaned(np.where(removed, 0, film).astype(np.uint8), found, removed, over)


def installed() -> bool:
    """Tell whether text can be looked for here: the extra `deidentify` is there."""
    from importlib.util import find_spec

    return find_spec("rapidocr") is not None


def look(film: Film) -> Cleaned | None:
    """Look for text on a film and for the hand that must not be touched.

    Args:
        film: uint8 (H, W).

    Returns:
        What was found and the film without it; None where the extra `deidentify` is not installed.
    """
    return clean(film, _hand()(film) >= _IN_THE_HAND) if installed() else None


def preview(film: Film, cleaned: Cleaned) -> NDArray[np.uint8]:
    """Show what would be blacked out (red) and which side markers stay (green); uint8 (H, W, 3) RGB."""
    picture = cv2.cvtColor(film, cv2.COLOR_GRAY2RGB)
    picture[cleaned.removed] = picture[cleaned.removed] // 2 + np.array([120, 0, 0], np.uint8)
    for text in cleaned.found:
        colour = (60, 190, 90) if text.is_side_marker else (220, 60, 60)
        cv2.polylines(picture, [np.rint(text.corners).astype(np.int32)], True, colour, max(1, max(film.shape) // 400))
    return picture


def encoded_png(picture: NDArray[np.uint8]) -> bytes:
    """Encode a film or an RGB picture as PNG, without any metadata."""
    shown = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".png", shown)[1])


def _read(film: Film, quarter: int) -> list[Text]:
    """Read the text of a film that is turned by so many quarters, at a size that the networks are made for."""
    longer = max(film.shape)
    factor = min(_LONGER_SIDE / longer, max(1.0, _SMALLEST_SIDE / longer))
    shown = cv2.resize(
        film, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    )
    turned = np.ascontiguousarray(np.rot90(shown, quarter))
    answer = _engine()(cv2.cvtColor(turned, cv2.COLOR_GRAY2BGR), use_cls=False)
    if answer.boxes is None:
        return []
    texts = answer.txts or ("",) * len(answer.boxes)
    return [
        Text(_back(np.asarray(box, np.float32), shown.shape, quarter) / factor, words.strip(), False)
        for box, words in zip(answer.boxes, texts, strict=True)
    ]


def _may_say_the_side(words: str) -> bool:
    return len(words) == 1 or _SIDE.fullmatch(words) is not None


def _is_marker(text: Text, longer: Mask) -> bool:
    """Tell whether a text says the side or is a letter that stands alone, given the pixels of all longer text."""
    if _SIDE.fullmatch(text.words):
        return True
    return len(text.words) == 1 and not (_area(text, longer.shape, grown=_APART) & longer).any()


def _back(corners: NDArray[np.float32], shape: tuple[int, ...], quarter: int) -> NDArray[np.float32]:
    """Turn corners (4, 2) in the turned picture back into the picture of this shape."""
    if quarter == 0:
        return corners
    return np.stack([shape[1] - corners[:, 1], corners[:, 0]], axis=1).astype(np.float32)


def _area(text: Text, shape: tuple[int, ...], grown: float = _GROWN) -> Mask:
    """Return the pixels of a text's box, grown by a part of its height, for letters reach beyond their box."""
    box = cv2.minAreaRect(text.corners)
    grow = 2 * grown * min(box[1]) + 2
    larger = cv2.boxPoints((box[0], (box[1][0] + grow, box[1][1] + grow), box[2]))
    area = np.zeros(shape, np.uint8)
    cv2.fillPoly(area, [np.rint(larger).astype(np.int32)], 1)
    return area > 0


@lru_cache(maxsize=1)
def _hand() -> MaskFunction:
    return mask_session(HANDMASK, threads=1)


@lru_cache(maxsize=1)
def _engine() -> Any:
    from rapidocr import RapidOCR

    # Whatever is found is kept, however unsure its reading: one letter too many blacked out does no harm.
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.text_score": 0.0,
            "Det.box_thresh": 0.35,
            "Det.thresh": 0.2,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        }
    )
