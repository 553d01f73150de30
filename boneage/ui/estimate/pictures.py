"""Render the preparation steps as JPEG pictures for the screen."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

import cv2
import numpy as np

from boneage.data.transforms import shrink
from boneage.gate.gate import Verdict
from boneage.preprocess.field import draw_field
from boneage.preprocess.posture import upright_angle
from boneage.preprocess.preparer import Prepared
from boneage.preprocess.steps import select_object

LONGER_SIDE = 900
HEAT = "step_heat"
_TEAL, _AMBER = (36, 190, 190), (240, 170, 40)
# A mask is hand from this level on.
HAND = 128
_OUTSIDE = 0.35


@dataclass(frozen=True)
class Picture:
    """One step for the eye: `key` names its caption among the texts, `jpeg` holds the encoded pixels."""

    key: str
    jpeg: bytes

    @property
    def address(self) -> str:
        """Return the picture as a data address: nothing is written to a disk to show it."""
        return f"data:image/jpeg;base64,{b64encode(self.jpeg).decode()}"


def step_pictures(original: np.ndarray, prepared: Prepared) -> tuple[Picture, ...]:
    """Picture the original with its exposed field, the mask over it, and what the network saw.

    Args:
        original: the film as it came, uint8 (H, W).
        prepared: what was made of it; its mask lies over the film that was corrected by the gate, where it was.
    """
    film = original if prepared.film is None else prepared.film
    return (
        _picture("step_original", shrink(_with_field(original, prepared), LONGER_SIDE)),
        _picture("step_mask", overlay(shrink(film, LONGER_SIDE), prepared.mask)),
        _picture("step_prepared", shrink(prepared.image, LONGER_SIDE)),
    )


def refused_pictures(original: np.ndarray, verdict: Verdict) -> tuple[Picture, ...]:
    """Picture what the gate saw of a refused film: its exposed field, and the mask with the axis of the hand.

    Args:
        original: the film as it came, uint8 (H, W).
        verdict: the gate's; the second picture is left out where it did not look for a mask.
    """
    film = _picture("step_original", shrink(_with_field(original, verdict), LONGER_SIDE))
    if verdict.mask is None:
        return (film,)
    hand = select_object(verdict.mask >= HAND)
    seen = overlay(shrink(verdict.film, LONGER_SIDE), hand)
    return film, _picture("step_refused", _with_axis(seen, hand))


def _with_axis(picture: np.ndarray, hand: np.ndarray) -> np.ndarray:
    """Draw the long axis of a mask, bool (h, w), as an arrow to the fingers' end; uint8 (H, W, 3) RGB."""
    rows, columns = np.nonzero(hand)
    if rows.size == 0:
        return picture
    scale = np.array(picture.shape[1::-1]) / hand.shape[::-1]
    lean = np.radians(upright_angle(hand))
    middle = np.array([columns.mean(), rows.mean()]) * scale
    half = 0.35 * max(np.ptp(rows) * scale[1], np.ptp(columns) * scale[0]) * np.array([np.sin(lean), -np.cos(lean)])
    first, last = (np.rint(middle + sign * half).astype(int).tolist() for sign in (-1, 1))
    thick = max(2, round(max(picture.shape) / 250))
    return cv2.arrowedLine(picture, first, last, _AMBER, thick, cv2.LINE_AA, tipLength=0.06)


def _with_field(original: np.ndarray, seen: Prepared | Verdict) -> np.ndarray:
    return original if seen.field is None else draw_field(original, seen.field)


def heat_picture(coloured: np.ndarray) -> Picture:
    """Picture a heat map that lies over the prepared image, uint8 (S, S, 3) RGB."""
    return _picture(HEAT, coloured)


def report_picture(key: str, pixels: np.ndarray) -> Picture:
    """Picture what a report shows, uint8 (H, W) or (H, W, 3) RGB; `key` names its caption."""
    return _picture(key, shrink(pixels, LONGER_SIDE))


def drawn_picture(image: np.ndarray) -> Picture:
    """Picture a drawn hand, uint8 (H, W)."""
    return _picture("drawn", image)


def text_picture(coloured: np.ndarray) -> Picture:
    """Picture a film with the text that was found on it, uint8 (H, W, 3) RGB."""
    return _picture("text", shrink(coloured, LONGER_SIDE))


def preview(image: np.ndarray) -> Picture:
    """Picture a film that was chosen and is not estimated yet, uint8 (H, W)."""
    return _picture("step_original", shrink(image, LONGER_SIDE))


def overlay(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Darken what the mask leaves out and draw the outline of what it keeps; uint8 (H, W, 3) RGB."""
    height, width = image.shape
    inside = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    shown = np.where(inside > 0, image, (image * _OUTSIDE).astype(np.uint8))
    picture = cv2.cvtColor(shown, cv2.COLOR_GRAY2RGB)
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(picture, contours, -1, _TEAL, max(1, round(max(height, width) / 300)), cv2.LINE_AA)


def encode_png(image: np.ndarray) -> bytes:
    """Encode uint8 (H, W) pixels without loss and without any metadata."""
    return bytes(cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])


def decode_png(png: bytes) -> np.ndarray:
    """Decode what `encode_png` encoded: uint8 (H, W)."""
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE))


def decode_picture(picture: Picture) -> np.ndarray:
    """Decode a picture: uint8 (H, W, 3) RGB."""
    return np.asarray(
        cv2.cvtColor(cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    )


def _picture(key: str, image: np.ndarray) -> Picture:
    bgr = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return Picture(key, bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 88])[1]))
