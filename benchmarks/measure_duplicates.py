"""Whether near copies of films are found, and different films told apart, on films that set no threshold.

    python benchmarks/measure_duplicates.py DATA [--changed 150]

DATA is a labelled folder, as zips or not. Its films are divided by every second id. The first half chooses both
thresholds by a rule alone (`choose`); the second half, which took no part, is then measured at these and at the
thresholds of `boneage.data.fingerprint`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from boneage.data import fingerprint as prints
from boneage.data.annotations import load_folder, read_row
from boneage.data.transforms import resize
from boneage.preprocess.posture import turn

Film = np.ndarray
AGREEMENTS = (0.60, 0.65, 0.70, 0.75, 0.80)
LIKENESSES = (0.90, 0.925, 0.95, 0.975)
SMALL = 256


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--changed", type=int, default=150, help="films of each half that are changed on purpose")
    args = parser.parse_args()
    films = read(args.data)
    halves = films[::2], films[1::2]
    agreement, likeness = choose(halves[0], args.changed)
    print(f"{len(halves[0])} films choose: agreement {agreement}, likeness {likeness}")
    wrong = False
    for name, limits in (
        ("chosen", (agreement, likeness)),
        ("shipped", (prints.LEAST_AGREEMENT, prints.LEAST_LIKENESS)),
    ):
        different = [pair for pair in lookalikes(halves[1], limits[0]) if pair >= limits[1]]
        wrong = wrong or bool(different)
        print(f"{len(halves[1])} other films at the {name} thresholds {limits}: {len(different)} of "
              f"{len(halves[1]) * (len(halves[1]) - 1) // 2} pairs of films are taken for the same")  # fmt: skip
        for change, found in shares(halves[1], args.changed, limits).items():
            print(f"    {change:<28} {found:.1%} found")
    return int(wrong)


def read(data: Path) -> list[Film]:
    """Read every film of a folder, at most `SMALL` pixels high, each content once."""
    found: dict[bytes, Film] = {}
    for _, row in load_folder(data).table.sort_values("id").iterrows():
        film = read_row(row)
        scale = min(1.0, SMALL / max(film.shape))
        small = resize(film, max(1, round(film.shape[0] * scale)), max(1, round(film.shape[1] * scale)))
        found.setdefault(small.tobytes(), small)
    return list(found.values())


def choose(films: list[Film], changed: int) -> tuple[float, float]:
    """Take the least likeness that no two different films reach, and the highest agreement that loses few copies."""
    apart = max(lookalikes(films, AGREEMENTS[0]), default=0.0)
    likeness = next((limit for limit in LIKENESSES if limit > apart), LIKENESSES[-1])
    found = {limit: np.mean(list(shares(films, changed, (limit, likeness)).values())) for limit in AGREEMENTS}
    return max(limit for limit in AGREEMENTS if found[limit] >= found[AGREEMENTS[0]] - 0.01), likeness


def lookalikes(films: list[Film], agreement: float) -> list[float]:
    """Return the likeness of every pair of different films whose fingerprints agree."""
    marks = [prints.fingerprint(film) for film in films]
    return [abs(prints.likeness(films[i], films[j])) for i, j in prints.candidates(marks, least=agreement)]


def shares(films: list[Film], count: int, limits: tuple[float, float]) -> dict[str, float]:
    """Return the share of films found again after each change."""
    some = [films[int(n)] for n in np.linspace(0, len(films) - 1, min(count, len(films)))]
    return {
        name: float(np.mean([same(film, change(film), limits) for film in some])) for name, change in CHANGES.items()
    }


def same(one: Film, other: Film, limits: tuple[float, float]) -> bool:
    agreed = abs(prints.agreement(prints.fingerprint(one), prints.fingerprint(other)))
    return agreed >= limits[0] and abs(prints.likeness(one, other)) >= limits[1]


def jpeg(film: Film) -> Film:
    buffer = BytesIO()
    Image.fromarray(film).save(buffer, "JPEG", quality=30)
    return np.asarray(Image.open(buffer))


def cropped(share: float) -> Callable[[Film], Film]:
    def crop(film: Film) -> Film:
        rows, columns = (max(1, round(share * side)) for side in film.shape)
        return film[rows:-rows, columns:-columns]

    return crop


CHANGES: dict[str, Callable[[Film], Film]] = {
    "half size": lambda film: resize(film, film.shape[0] // 2, film.shape[1] // 2),
    "100 px, squeezed": lambda film: resize(film, 100, 100),
    "JPEG of quality 30": jpeg,
    "equalised": lambda film: np.asarray(cv2.equalizeHist(film)),
    "inverted": lambda film: 255 - film,
    "gamma 0.6": lambda film: np.rint(255 * (film / 255.0) ** 0.6).astype(np.uint8),
    "gamma 1.6": lambda film: np.rint(255 * (film / 255.0) ** 1.6).astype(np.uint8),
    "cropped by 1 % a side": cropped(0.01),
    "cropped by 3 % a side": cropped(0.03),
    "turned by 1 degree": lambda film: turn(film, 1.0),
    "mirrored": lambda film: np.ascontiguousarray(film[:, ::-1]),
}


if __name__ == "__main__":
    sys.exit(main())
