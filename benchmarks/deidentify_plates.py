"""Draw text plates with names on training films outside the hand, and count which names the de-identification leaves.

    python benchmarks/deidentify_plates.py FILMS.zip [--skip VALIDATION.csv] [--count 200]

FILMS.zip holds training films as PNG or JPEG. A name is gone when at most 5 % of its letters' pixels remain.
"""

from __future__ import annotations

import argparse
import random
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).parents[1]))

from boneage.data.images import read_image
from boneage.hospital.deidentify import clean
from boneage.preprocess.background import HANDMASK, mask_session

_NAMES = (
    "MUELLER ANNA",
    "Garcia, Juan",
    "SMITH^JOHN",
    "da Silva Maria",
    "Nguyen Thi Lan",
    "O'Brien Sean",
    "KOWALSKI",
    "Rossi Luca",
)
_GONE = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("films", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument(
        "--skip", type=Path, help="a CSV whose first column lists ids that must not be used (validation)"
    )
    args = parser.parse_args()
    skip = set() if args.skip is None else {line.split(",")[0].strip() for line in args.skip.read_text().splitlines()}
    mask, rng = mask_session(HANDMASK), random.Random(0)
    drawn = gone = touched = 0
    markers = [0, 0]
    with zipfile.ZipFile(args.films) as archive:
        names = [
            n
            for n in sorted(archive.namelist())
            if n.lower().endswith((".png", ".jpg", ".webp")) and Path(n).stem not in skip
        ]
        for name in rng.sample(names, min(args.count, len(names))):
            film = read_image(archive.read(name), name=name)
            hand = mask(film) >= 128
            plate = place(film, hand, rng)
            if plate is None:
                continue
            picture, letters, marker = plate
            cleaned = clean(picture, hand)
            drawn += 1
            left = letters & ~cleaned.removed
            whole = left.sum() <= _GONE * letters.sum()
            gone += whole
            touched += bool((cleaned.removed & hand).any())
            if marker is not None:
                markers[0] += 1
                markers[1] += not (cleaned.removed & marker).any()
            if not whole:
                print(f"left on {name}: {1 - left.sum() / letters.sum():.0%} covered", flush=True)
            if drawn % 20 == 0:
                print(drawn, "plates", gone, "gone", flush=True)
    print(f"{drawn} plates, {gone} names gone ({gone / drawn:.1%}), {touched} hands touched")
    print(f"side markers kept: {markers[1]} of {markers[0]}")


def place(
    film: np.ndarray, hand: np.ndarray, rng: random.Random
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None] | None:
    """Write a name and numbers, light on dark or dark on a light plate, where there is room outside the hand."""
    height, width = film.shape
    name = rng.choice(_NAMES)
    number = f"ID {rng.randint(10**5, 10**7)}"
    born = f"{rng.randint(1, 28):02d}.{rng.randint(1, 12):02d}.20{rng.randint(0, 18):02d}"
    font = ImageFont.load_default(max(11, round(rng.uniform(0.016, 0.032) * height)))
    lines = rng.sample([name, number, born], rng.randint(1, 3))
    if name not in lines:
        lines[0] = name
    sheet = Image.new("L", (width, height))
    pen = ImageDraw.Draw(sheet)
    box = pen.multiline_textbbox((0, 0), "\n".join(lines), font=font)
    size = np.ceil([box[2] + 6, box[3] + 6]).astype(int)
    side = ImageFont.load_default(max(18, round(0.05 * height)))
    for _ in range(200):
        x, y = rng.randint(0, max(width - size[0] - 1, 0)), rng.randint(0, max(height - size[1] - 1, 0))
        if not cv2.dilate(hand.astype(np.uint8), np.ones((9, 9)))[y : y + size[1], x : x + size[0]].any():
            break
    else:
        return None
    pen.multiline_text((x + 3, y + 3), "\n".join(lines), fill=255, font=font)
    letters = np.asarray(sheet) > 100
    picture = film.astype(np.float32)
    if rng.random() < 0.4:
        picture[y : y + size[1], x : x + size[0]] = rng.randint(190, 250)
        picture[letters] = rng.randint(0, 60)
    else:
        picture[letters] = np.maximum(picture[letters], rng.randint(150, 255))
    marker = None
    for _ in range(100):
        mx, my = rng.randint(0, width - 60), rng.randint(0, height - 70)
        region = (slice(my, my + 70), slice(mx, mx + 60))
        if not hand[region].any() and not letters[region].any() and film[region].max() < 90:
            image = Image.new("L", (width, height))
            ImageDraw.Draw(image).text((mx + 8, my + 5), "L", fill=255, font=side)
            marker = np.asarray(image) > 100
            picture[marker] = 230
            break
    return cv2.GaussianBlur(picture, (0, 0), 0.6).astype(np.uint8), letters, marker


if __name__ == "__main__":
    main()
