"""How often `preprocess.rotate` puts a hand upright: real films turned by known random angles.

    python benchmarks/measure_upright.py DATA [--films 200]

DATA is a labelled folder of upright films, as zips or not. The mask of each film is found once, turned by an angle from
a fixed seed in a frame that holds all of it, and put upright again; what is left of the angle is the error.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from boneage.config import PreprocessConfig
from boneage.data.annotations import load_folder, read_row
from boneage.preprocess import posture
from boneage.preprocess.preparer import Preparer

SEED, CLOSE, UPSIDE_DOWN = 0, 20.0, 135.0
LIMITS = (45, 90, 180)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--films", type=int, default=200)
    args = parser.parse_args()
    hands = masks(args.data, args.films)
    untouched = np.array([abs(posture.upright_angle(hand)) for hand in hands])
    say(f"{len(hands)} films as they are", untouched)
    rng = np.random.default_rng(SEED)
    for limit in LIMITS:
        errors = np.array([error(hand, float(rng.uniform(-limit, limit))) for hand in hands])
        say(f"turned by up to {limit} degrees", errors)
    return 0


def say(what: str, errors: np.ndarray) -> None:
    close, down = np.mean(errors <= CLOSE), np.mean(errors > UPSIDE_DOWN)
    print(f"{what}: {close:.1%} end within {CLOSE:g} degrees of upright, median error {np.median(errors):.1f}, "
          f"upside down {down:.1%}")  # fmt: skip


def masks(data: Path, films: int) -> list[np.ndarray]:
    """Return the masks of films chosen evenly over the table, bool (H, W)."""
    table = load_folder(data).table
    rows = table.iloc[np.linspace(0, len(table) - 1, min(films, len(table))).round().astype(int)]
    preparer = Preparer(PreprocessConfig(crop=True, pad=True))
    return [preparer.prepare(read_row(row)).mask for _, row in rows.iterrows()]


def error(hand: np.ndarray, turn: float) -> float:
    """Return how far from upright a turned hand ends, 0-180 degrees."""
    back = posture.upright_angle(posture.turn_mask(hand, turn))
    return abs((turn + back + 180) % 360 - 180)


if __name__ == "__main__":
    sys.exit(main())
