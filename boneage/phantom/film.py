"""Turn attenuation into a radiograph: exposure, texture, noise, blur, collimation, side markers, inversion."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.phantom.options import PhantomOptions

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
_LEVELS = 4096
_LETTERS = "ABCDEFGHJKLMNPRSTW"
_SHIFT = 4


def grain(shape: tuple[int, int], rng: np.random.Generator, sigma: float) -> Image:
    """Return smooth random texture (H, W) of mean 0 and spread about 1; `sigma` is its coarseness in px."""
    rough = rng.standard_normal(shape, dtype=np.float32)
    blurred = cv2.GaussianBlur(rough, (0, 0), sigma)
    return np.asarray(blurred * np.float32(3.545 * sigma), dtype=np.float32)


def expose(attenuation: Image, rng: np.random.Generator, options: PhantomOptions) -> Image:
    """Turn attenuation into grey values 0-255 (bone bright) by an exposure, a gamma and a background."""
    strength = options.exposure
    draws = rng.random(6)
    dark = strength > 0 and draws[0] < 0.17
    top = 205.0 + strength * (60.0 * draws[1] - 35.0)
    if dark:
        top = 45.0 + 75.0 * draws[1]
    base = 14.0 + strength * (36.0 * draws[2] ** 2 - 9.0)
    if draws[3] < options.grey_background_share:
        base = 35.0 + 60.0 * draws[2] if draws[3] > 0.12 * options.grey_background_share else 110.0 + 60.0 * draws[2]
        top = max(top, base + 40.0 + 50.0 * draws[1])
    gamma = 1.0 + strength * (0.7 * draws[4] - 0.3)
    saturation = 0.35 + strength * 0.5 * (draws[5] - 0.5)
    highest = max(float(np.partition(attenuation[::4, ::4].ravel(), -12)[-12]), 0.2)
    scaled = np.clip(attenuation * np.float32((_LEVELS - 1) / (1.25 * highest)), 0, _LEVELS - 1)
    return _tone_table(base, top, gamma, saturation)[scaled.astype(np.uint16)]


def _tone_table(base: float, top: float, gamma: float, saturation: float) -> Image:
    """Tabulate grey against attenuation: Beer-Lambert's saturation, then the film's gamma; one value per level."""
    knots = 257
    full = 1.0 - math.exp(-saturation)
    shares = [(1.0 - math.exp(-saturation * 1.25 * knot / (knots - 1))) / full for knot in range(knots)]
    greys = [base + (top - base) * share**gamma for share in shares]
    levels = np.arange(_LEVELS) * ((knots - 1) / (_LEVELS - 1))
    return np.interp(levels, np.arange(knots), greys).astype(np.float32)


def finish(
    film: Image, hand: Mask, rng: np.random.Generator, options: PhantomOptions
) -> tuple[NDArray[np.uint8], Mask]:
    """Add what the film and its handling add to a clean exposure, and quantise it.

    Args:
        film: grey values 0-255, float32 (H, W); changed in place.
        hand: the hand's mask, bool (H, W), which markers avoid.
        rng: source of the accidents.
        options: how strong and how frequent they are.

    Returns:
        The radiograph, uint8 (H, W), and where the exposed film can be seen beside collimator and padding, bool (H, W).
    """
    chance = rng.random(3)
    if options.blur > 0:
        sigma = options.blur * (0.35 + 0.5 * float(rng.random())) * film.shape[0] / 512
        film = np.asarray(cv2.GaussianBlur(film, (0, 0), sigma), dtype=np.float32)
    seen = np.ones(film.shape, np.bool_)
    if options.noise > 0:
        level = options.noise * (0.25 + 1.4 * float(rng.random()) ** 2)
        film += grain((film.shape[0], film.shape[1]), rng, 0.6) * np.float32(level) * np.float32(0.8)
    if chance[0] < options.marker_share:
        add_marker(film, hand, rng)
    if chance[1] < options.collimation_share:
        seen = collimate(film, rng)
    if chance[2] < options.inverted_share:
        film = 255 - film
    return np.asarray(np.rint(np.clip(film, 0, 255)), dtype=np.uint8), seen


def add_marker(film: Image, hand: Mask, rng: np.random.Generator) -> None:
    """Lay one `L` plate with a reader's initials onto the film, in place, where it covers least of the hand."""
    plate, opacity = _plate(film.shape[0], rng)
    plate, opacity = _turn(plate, opacity, rng)
    height, width = plate.shape
    room_y, room_x = max(film.shape[0] - height // 2, 1), max(film.shape[1] - width // 2, 1)
    tries = []
    for _ in range(12):
        side = rng.random() < 0.7
        x = int(rng.integers(0, max(room_x // 4, 1))) if side else int(room_x - rng.integers(0, max(room_x // 3, 1)))
        y = int(rng.integers(0, room_y))
        x, y = x - width // 8, min(y, film.shape[0] - height // 2)
        covered = hand[max(y, 0) : y + height, max(x, 0) : x + width].mean() if hand.size else 0.0
        tries.append((float(covered), x, y))
    covered, x, y = min(tries)
    if covered > 0.08:
        return
    _paste(film, plate, opacity, (x, y))


def _plate(film_height: int, rng: np.random.Generator) -> tuple[Image, Image]:
    """Return a plate's grey values and opacities (0-1): letters above each other, sometimes a ring with a dot."""
    size = max(round(film_height * float(rng.uniform(0.055, 0.1))), 8)
    initials = "".join(rng.choice(list(_LETTERS), int(rng.integers(2, 4))))
    ring, stacked, bare = rng.random(3) < (0.35, 0.45, 0.2)
    rows = ["L"] if bare else ["L", *(initials if stacked else [initials])]
    heights = [size, *[round(size * 0.55)] * (len(rows) - 1)] + ([size] if ring and not bare else [])
    margin = round(size * 0.25)
    width = round(size * 1.25) + margin
    canvas = np.zeros((sum(heights) + margin * (len(heights) + 1), width), np.uint8)
    y = margin
    for row, tall in zip(rows, heights, strict=False):
        _letters(canvas, row, (y, tall), float(rng.uniform(0.12, 0.2)))
        y += tall + margin
    if ring and not bare:
        _ring(canvas, (width // 2, y + size // 2), size // 2 - 1)
    body = 0.0 if bare else float(rng.choice([0.0, 0.12, 0.25, 0.5]))
    level = float(rng.choice([90.0, 150.0, 60.0]))
    ink = canvas.astype(np.float32) / np.float32(255)
    opacity = np.maximum(ink, np.float32(body))
    return ink * np.float32(250) + (1 - ink) * np.float32(level), opacity


def _letters(canvas: NDArray[np.uint8], text: str, at: tuple[int, int], weight: float) -> None:
    top, tall = at
    thickness = max(round(tall * weight), 1)
    font = cv2.FONT_HERSHEY_SIMPLEX
    (_, unit), _ = cv2.getTextSize(text, font, 1.0, 1)
    scale = tall / unit
    (wide, _), _ = cv2.getTextSize(text, font, scale, thickness)
    if wide > canvas.shape[1] - 2:
        scale *= (canvas.shape[1] - 2) / wide
        wide = canvas.shape[1] - 2
    cv2.putText(canvas, text, ((canvas.shape[1] - wide) // 2, top + tall), font, scale, 255, thickness, cv2.LINE_AA)


def _ring(canvas: NDArray[np.uint8], centre: tuple[int, int], radius: int) -> None:
    cv2.circle(canvas, centre, radius, 255, max(radius // 4, 1), cv2.LINE_AA)
    cv2.circle(canvas, centre, max(radius // 6, 1), 255, -1, cv2.LINE_AA)


def _turn(plate: Image, opacity: Image, rng: np.random.Generator) -> tuple[Image, Image]:
    """Rotate a plate: mostly a little, now and then by a quarter or half turn."""
    angle = float(rng.normal(0, 9)) + float(rng.choice([0, 0, 0, 0, 90, -90, 180]))
    height, width = plate.shape
    side = int(np.ceil(np.hypot(height, width)))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    matrix[:, 2] += ((side - width) / 2, (side - height) / 2)
    turned = cv2.warpAffine(plate, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    clear = cv2.warpAffine(opacity, matrix, (side, side), flags=cv2.INTER_LINEAR)
    return np.asarray(turned, np.float32), np.asarray(clear, np.float32)


def _paste(film: Image, plate: Image, opacity: Image, at: tuple[int, int]) -> None:
    x, y = at
    y0, x0 = max(y, 0), max(x, 0)
    y1, x1 = min(y + plate.shape[0], film.shape[0]), min(x + plate.shape[1], film.shape[1])
    if y1 <= y0 or x1 <= x0:
        return
    part = np.s_[y0 - y : y1 - y, x0 - x : x1 - x]
    film[y0:y1, x0:x1] += (plate[part] - film[y0:y1, x0:x1]).clip(0) * opacity[part]


def collimate(film: Image, rng: np.random.Generator) -> Mask:
    """Shut the collimator a little, pad a side with black, or let a white cassette strip or corner in; in place.

    Returns:
        Where the exposed film can still be seen, bool (H, W).
    """
    draws = rng.random(5)
    covers = []
    if draws[4] < 0.2:
        _sheet(film, rng)
    if draws[0] < 0.55:
        covers.append(_frame(film, rng))
    if draws[1] < 0.4:
        covers.append(_strip(film, rng, float(rng.choice([0.0, 0.0, 255.0, 245.0]))))
    if draws[2] < 0.2:
        covers.append(_strip(film, rng, float(rng.choice([0.0, 255.0]))))
    if draws[3] < 0.08:
        covers.append(_corner(film, rng, float(rng.choice([0.0, 255.0]))))
    seen = np.ones(film.shape, np.bool_)
    for cover in covers:
        seen &= cover < 0.5
    return seen


def _sheet(film: Image, rng: np.random.Generator) -> None:
    """Lay a faint straight-edged layer (a holder, tape, a cushion) over one part of the film."""
    height, width = film.shape
    edge = height * float(rng.uniform(0.2, 0.9)) + width * float(rng.normal(0, 0.15)) * np.array([-0.5, 0.5])
    other = -8.0 if rng.random() < 0.5 else height + 8.0
    quad = np.array([(-8.0, edge[0]), (width + 8.0, edge[1]), (width + 8.0, other), (-8.0, other)])
    film += _cover(film, quad) * np.float32(rng.uniform(4, 22))


def _corner(film: Image, rng: np.random.Generator, level: float) -> Image:
    """Cut off one corner of the film, as where it was laid crooked on the scanner."""
    height, width = film.shape
    x, y = (int(side) for side in rng.integers(0, 2, 2))
    reach = rng.uniform(0.04, 0.22, 2) * (width, height)
    corner = np.array([x * (width - 1), y * (height - 1)], np.float64)
    inward = np.array([1 - 2 * x, 1 - 2 * y])
    points = [corner - 4 * inward, corner + inward * (reach[0], -4), corner + inward * (-4, reach[1])]
    share = _cover(film, np.array(points))
    film *= 1 - share
    film += share * np.float32(level)
    return share


def _cover(film: Image, points: NDArray[np.float64]) -> Image:
    """Return how much of each pixel a polygon covers, 0-1, float32 (H, W)."""
    canvas = np.zeros(film.shape, np.uint8)
    cv2.fillPoly(canvas, [np.rint(points * (1 << _SHIFT)).astype(np.int32)], 255, cv2.LINE_AA, _SHIFT)
    return canvas.astype(np.float32) / np.float32(255)


def _frame(film: Image, rng: np.random.Generator) -> Image:
    """Darken (or brighten) everything outside a slightly tilted rectangle, now and then with a bright rim."""
    height, width = film.shape
    inset = rng.uniform(0.004, 0.055, 4) * (width, height, width, height)
    tilt = float(rng.normal(0, 0.012))
    x0, y0, x1, y1 = inset[0], inset[1], width - inset[2], height - inset[3]
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]) - (width / 2, height / 2)
    turned = corners + tilt * np.stack([-corners[:, 1], corners[:, 0]], axis=1) + (width / 2, height / 2)
    open_share = _cover(film, turned)
    if rng.random() < 0.5:
        open_share = np.asarray(cv2.GaussianBlur(open_share, (0, 0), float(rng.uniform(0.5, 0.008 * height + 1))))
    level = float(rng.choice([0.0, 2.0, 8.0, 30.0, 90.0, 250.0], p=[0.38, 0.22, 0.18, 0.1, 0.05, 0.07]))
    film *= open_share
    film += (1 - open_share) * np.float32(level)
    if rng.random() < 0.3:
        rim = np.zeros((height, width), np.uint8)
        points = np.rint(turned * (1 << _SHIFT)).astype(np.int32)
        cv2.polylines(rim, [points], True, 255, max(round(height / 250), 1), cv2.LINE_AA, _SHIFT)
        film += (np.float32(rng.uniform(60, 250)) - film).clip(0) * (rim.astype(np.float32) / np.float32(255))
    return 1 - open_share


def _strip(film: Image, rng: np.random.Generator, level: float) -> Image:
    """Cover one edge of the film with a narrow tilted strip of one grey level."""
    height, width = film.shape
    side = int(rng.integers(0, 4))
    near, far = rng.uniform(0.0, 0.035, 2) * (width if side < 2 else height)
    if side < 2:
        quad = np.array([(-4, -4), (near, -4), (far, height + 4), (-4, height + 4)], np.float64)
        quad[:, 0] = width - 1 - quad[:, 0] if side else quad[:, 0]
    else:
        quad = np.array([(-4, -4), (width + 4, -4), (width + 4, far), (-4, near)], np.float64)
        quad[:, 1] = height - 1 - quad[:, 1] if side == 3 else quad[:, 1]
    share = _cover(film, quad)
    film *= 1 - share
    film += share * np.float32(level)
    return share
