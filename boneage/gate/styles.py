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
    """Black out the soft tissue, as on old atlas plates: bright bones, fingertips too, without a skin line.

    What lies over the tissue beside it is bone; every part of the hand gets about the contrast of the others, as the
    plates' printers gave it.
    """
    inside = cv2.erode(mask, np.ones((3, 3), np.uint8)) >= 128
    if inside.sum() < 64:
        return film, mask
    reach = max(2, round(0.045 * float(np.sqrt(inside.sum()))))
    tissue = np.where(inside, film, np.uint8(255))
    tissue = _spread(cv2.erode(tissue, _disc(reach)), inside, reach)
    over = np.maximum(film.astype(np.float32) - tissue * np.float32(rng.uniform(0.85, 1.05)), 0)
    brightest = _spread(cv2.dilate(np.where(inside, over, np.float32(0)), _disc(2 * reach)), inside, 2 * reach)
    evenly = np.float32(rng.uniform(0.5, 0.9)) * brightest + np.float32(0.15 * float(over[inside].max()))
    bones = np.clip(over / np.maximum(evenly, 1), 0, 1) ** np.float32(rng.uniform(0.7, 1.7))
    soft = cv2.GaussianBlur(mask, (0, 0), max(1.0, reach / 3)).astype(np.float32) / 255
    dark = np.float32(rng.uniform(0, 0.08))
    return _to_bytes(255 * soft * (dark + (1 - dark) * bones) + np.float32(rng.uniform(0, 20))), mask


def gamma(film: Film, low: float, high: float, rng: Rng) -> Film:
    """Darken (power above 1) or lighten (below 1) a film, stretched first, so that it stays legible in 8 bits."""
    darkest, brightest = np.percentile(film, (0.5, 99.8))
    stretched = np.clip((film - np.float32(darkest)) / np.float32(max(1.0, brightest - darkest)), 0, 1)
    return _to_bytes(255 * stretched ** np.float32(rng.uniform(low, high)))


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
    """Continue a forearm that reaches the lower edge, in its direction, by a third to nine tenths of the film.

    What is continued is the median of the last rows above the rim, on one grey: no rim and no letter goes with it.
    """
    height, width = film.shape
    foot = round(0.96 * height)
    last, more = max(3, height // 14), round(height * rng.uniform(0.3, 0.9))
    if min((mask[row] >= 128).sum() for row in (foot - 1, foot - last)) < 4:
        return film, mask
    middle, above = (float(np.flatnonzero(mask[row] >= 128).mean()) for row in (foot - 1, foot - last))
    slope = float(np.clip((middle - above) / (last - 1), -0.3, 0.3) + rng.uniform(-0.05, 0.05))
    shift, narrower = slope * more, float(rng.uniform(0.9, 1.05))
    share = np.linspace(0, 1, more, dtype=np.float32)[:, None]
    scale = 1 + (narrower - 1) * share
    from_x = (np.arange(width, dtype=np.float32)[None] - middle - shift * share) / scale + middle
    parts = []
    beside = cv2.dilate(mask[foot - last : foot].max(axis=0)[None], np.ones((1, 2 * (width // 40) + 1), np.uint8)) < 128
    for picture in (film, mask):
        row = np.median(picture[foot - last : foot], axis=0).astype(np.float32)[None]
        row[beside] = np.median(row[beside]) if beside.any() else 0
        end = cv2.remap(row, from_x, np.zeros_like(from_x), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        parts.append(np.concatenate([picture[:foot], _to_bytes(end)]))
    grain = rng.normal(0, 1.5, (more, width)).astype(np.float32)
    parts[0][foot:] = _to_bytes(parts[0][foot:] + grain)
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


def _disc(reach: int) -> Film:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))


def _spread(values: NDArray[np.generic], inside: NDArray[np.bool_], reach: int) -> NDArray[np.float32]:
    """Blur values over the pixels that are inside, as if there were nothing beside them."""
    weight = inside.astype(np.float32)
    blurred = cv2.GaussianBlur(np.where(inside, values, 0).astype(np.float32), (0, 0), float(reach))
    return np.asarray(blurred / np.maximum(cv2.GaussianBlur(weight, (0, 0), float(reach)), 1e-3), np.float32)
