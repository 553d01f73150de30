"""Films in the styles of other places and times: bones alone, dark, bright, flat, with casts, rings, long forearms.

Each is drawn on a good film and stays a usable film of the same hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

Film = NDArray[np.uint8]
Rng = np.random.Generator
Styled = tuple[Film, Film]
Style = Callable[[Film, Film, Rng], Styled]


def bones_alone(film: Film, mask: Film, rng: Rng) -> Styled:
    """Black out the soft tissue, as on old atlas plates: bright bones without a skin line."""
    inside = film[mask >= 128]
    if inside.size == 0:
        return film, mask
    low, high = np.percentile(inside, (float(rng.uniform(25, 50)), 99.5))
    return _to_bytes((film.astype(np.float32) - low) * (255 / max(1.0, float(high - low)))), mask


def gamma(film: Film, low: float, high: float, rng: Rng) -> Film:
    """Darken (power above 1) or lighten (below 1) a film."""
    return _to_bytes(255 * (film / np.float32(255)) ** np.float32(rng.uniform(low, high)))


def flat(film: Film, rng: Rng) -> Film:
    """Take most of the contrast away, on a grey ground."""
    return _to_bytes(film * np.float32(rng.uniform(0.3, 0.6)) + np.float32(rng.uniform(40, 120)))


def cast(film: Film, mask: Film, rng: Rng) -> Styled:
    """Lay a bright, mottled cast around wrist and forearm, or around half the palm, too."""
    rows = np.flatnonzero((mask >= 128).any(axis=1))
    if rows.size < 8:
        return film, mask
    top = int(rows[0] + rows.size * rng.uniform(0.5, 0.75))
    reach = max(3, round(0.03 * max(film.shape)))
    around = cv2.dilate(mask, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    around[:top] = 0
    share = cv2.GaussianBlur(around, (0, 0), max(1.0, reach / 4)).astype(np.float32) / 255
    small = rng.normal(0, 1, (max(4, film.shape[0] // 6), max(4, film.shape[1] // 6))).astype(np.float32)
    mottle = cv2.resize(small, film.shape[::-1]) * 12 + np.float32(rng.uniform(120, 190))
    opaque = np.float32(rng.uniform(0.3, 0.6))
    return _to_bytes(film * (1 - opaque * share) + mottle * opaque * share), mask


def ring(film: Film, mask: Film, rng: Rng) -> Styled:
    """Put one or two rings on fingers, or a bracelet on the wrist."""
    rows, columns = np.nonzero(mask >= 128)
    if rows.size < 64:
        return film, mask
    ringed, tall = film.copy(), int(np.ptp(rows)) + 1
    for _ in range(int(rng.integers(1, 3))):
        low, high = (0.15, 0.4) if rng.random() < 0.7 else (0.8, 0.9)
        row = int(rows.min() + tall * rng.uniform(low, high))
        across = np.flatnonzero(mask[row] >= 128)
        pieces = np.split(across, np.flatnonzero(np.diff(across) > 1) + 1)
        piece = pieces[int(rng.integers(len(pieces)))]
        if piece.size < 3:
            continue
        slope, thick = int(rng.integers(-2, 3)), max(2, round(0.012 * tall))
        ends = ((int(piece[0]), row - slope), (int(piece[-1]), row + slope))
        cv2.line(ringed, *ends, color=int(rng.integers(235, 256)), thickness=thick)
    return ringed, mask


def long_forearm(film: Film, mask: Film, rng: Rng) -> Styled:
    """Continue a forearm that reaches the lower edge by a third to one length of the hand."""
    if (mask[-1] >= 128).sum() < 4:
        return film, mask
    height = film.shape[0]
    last, more = max(2, height // 12), round(height * rng.uniform(0.3, 0.9))
    parts = []
    for picture in (film, mask):
        end = cv2.resize(picture[-last:], (film.shape[1], more), interpolation=cv2.INTER_LINEAR)
        parts.append(np.concatenate([picture, np.asarray(end, np.uint8)]))
    return parts[0], parts[1]


STYLES: Mapping[str, Style] = {
    "bones alone": bones_alone,
    "dark": lambda film, mask, rng: (gamma(film, 1.5, 2.5, rng), mask),
    "bright": lambda film, mask, rng: (gamma(film, 0.35, 0.65, rng), mask),
    "flat and grey": lambda film, mask, rng: (flat(film, rng), mask),
    "cast": cast,
    "ring": ring,
    "long forearm": long_forearm,
}


def _to_bytes(values: NDArray[np.floating]) -> Film:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
