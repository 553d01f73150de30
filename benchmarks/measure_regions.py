"""How good the ages of single regions are, and whether each really comes from its own region.

    python benchmarks/measure_regions.py DATA [--films 300]

DATA is the folder with the radiographs' zips. Films of `validation_ids.csv` (a stratified part of them) are prepared
and read as the shipped cascade does. Per region: mean absolute error against the reader's age of the whole hand with a
95 % interval, bias, and how often its own 90 % interval holds. Then each region is hidden in turn (filled with its own
mean grey level) and the mean absolute change of every region's age is printed: what is hidden should move only its own.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from boneage.groups import Sex
from boneage.pipeline import in_order
from boneage.preprocess.preparer import Preparer
from boneage.pretrain import sources
from boneage.regions.ages import NAMES, REGIONS, RegionalAges, of_sex, shrunk
from boneage.regions.layout import CROPS, corners
from boneage.registry.opening import open_shipped

RESAMPLES = 2000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--films", type=int, default=300)
    args = parser.parse_args()
    cascade = open_shipped()
    if cascade.regional is None:
        print("the shipped cascade reads no regions", file=sys.stderr)
        return 2
    kids = chosen(args.data, args.films)
    large, sizes = frozenset(sources.large_ids(args.data)), sources.image_sizes(args.data)

    def look(kid: sources.Child) -> np.ndarray:
        film = sources.read_film(args.data, sources.Film(kid.id, kid.id in large), sizes)
        return read_hidden(cascade.regional.networks, cascade.preparer, film)

    rows = np.stack([found for _, found in in_order(look, kids)])  # (N, 1 + regions hidden, columns)
    sexes = [Sex.MALE if kid.male else Sex.FEMALE for kid in kids]
    ages = np.stack([of_sex(rows[:, k], sexes) for k in range(rows.shape[1])], axis=1)
    true = np.array([kid.age_months for kid in kids])
    known = ~np.isnan(ages[:, 0, 0])
    print(f"{known.sum()} of {len(kids)} films of validation children, joints found in these")
    held = cascade.regional.ages(rows[:, 0], sexes)
    tell(ages[known], true[known], [row for row, fine in zip(held, known, strict=True) if fine])
    return 0


def chosen(data: Path, count: int) -> list[sources.Child]:
    """Return validation children, evenly over sex and age."""
    table, ids = sources.children(data), sources.validation_ids(data)
    kids = sorted((table[name] for name in ids), key=lambda kid: (kid.male, kid.age_months, kid.id))
    return [kids[k] for k in np.unique(np.linspace(0, len(kids) - 1, count).round().astype(int))]


def read_hidden(networks: RegionalAges, preparer: Preparer, film: np.ndarray) -> np.ndarray:
    """Return the columns of a film as it is, and with each region hidden, float32 (1 + regions, COLUMNS)."""
    hand = shrunk(preparer.prepare(film).image)
    points = networks.finder.points(hand)
    if points is None:
        return np.full((1 + len(REGIONS), networks.features), np.nan, np.float32)
    shown = [hand]
    for crop in CROPS.values():
        square, hidden = corners(points, crop, hand.shape[0]), hand.copy()
        mask = np.zeros_like(hand)
        cv2.fillConvexPoly(mask, square.round().astype(np.int32), 255)
        inside = (mask > 0) & (hand > 0)
        hidden[inside] = hand[inside].mean() if inside.any() else 0
        shown.append(hidden)
    return np.stack([networks.read(each, points) for each in shown])


def tell(ages: np.ndarray, true: np.ndarray, held: list) -> None:
    """Print both tables."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(true), (RESAMPLES, len(true)))
    print(f"{'region':<12} {'MAE':>6} {'95 %':>16} {'bias':>6} {'in its interval':>16} {'mean width':>11}")
    for k, name in enumerate(NAMES):
        errors = ages[:, 0, k] - true
        low, high = np.quantile(np.abs(errors)[draws].mean(1), (0.025, 0.975))
        line = f"{name:<12} {np.abs(errors).mean():>6.2f} {f'{low:.2f} to {high:.2f}':>16} {errors.mean():>+6.1f}"
        if name in REGIONS:
            bounds = np.array([[row[k].low_months, row[k].high_months] for row in held], dtype=float)
            inside = (bounds[:, 0] <= true) & (true <= bounds[:, 1])
            line += f" {inside.mean():>16.1%} {(bounds[:, 1] - bounds[:, 0]).mean():>11.1f}"
        print(line)
    apart = [max(one.low_months for one in row) > min(one.high_months for one in row) for row in held]
    print(f"regions disagree beyond their intervals in {np.mean(apart):.1%} of the films")
    print("\nmean absolute change in months of each age where a region is hidden:")
    print(f"{'hidden':<12}" + "".join(f"{name:>13}" for name in NAMES))
    for hidden, name in enumerate(REGIONS, start=1):
        moved = np.abs(ages[:, hidden] - ages[:, 0]).mean(0)
        print(f"{name:<12}" + "".join(f"{value:>13.1f}" for value in moved))


if __name__ == "__main__":
    sys.exit(main())
