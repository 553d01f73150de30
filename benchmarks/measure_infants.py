"""Whether a network tells infants' ages apart at all: simulated hands of 0, 3, 6, 9, 12 and 18 months.

    python benchmarks/measure_infants.py [--backbones handnet handlite0] [--hands 20]

Real films of newborns are rare (ten of 10,213 training children are younger than a year), so an estimate that is stuck
at one age does not show in the error on real films. Each hand is drawn by `boneage.phantom`, prepared as served and
estimated by the head that the backbone was trained with, and by the mean of all. `told apart` is the chance that of two
hands of neighbouring ages the older one is read as older: 50 % is guessing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from boneage.config import BackboneConfig, Config
from boneage.groups import Sex
from boneage.learn.backbones import open_backbone
from boneage.learn.own_head import own_head
from boneage.phantom import hand as phantom
from boneage.preprocess.preparer import Preparer
from boneage.pretrain.prepare import PREPARATION

AGES = (0.0, 3.0, 6.0, 9.0, 12.0, 18.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", default=["handnet", "handlite0"])
    parser.add_argument("--weights", default="asset", help="asset, or a file of the same layout (for one backbone)")
    parser.add_argument("--hands", type=int, default=20, help="hands of each age, half of them boys'")
    args = parser.parse_args()
    images, sexes, ages = infants(args.hands)
    found = {}
    for name in args.backbones:
        backbone = BackboneConfig(name, args.weights if Path(args.weights).is_file() else "asset")
        features = open_backbone(backbone, images.shape[1]).pooled(images)
        found[name] = own_head(Config(backbone=backbone)).predict(features, sexes)
    if len(found) > 1:
        found["mean of all"] = np.mean(list(found.values()), axis=0)
    print(f"| read by | {' | '.join(f'{age:g} months' for age in AGES)} | told apart | mean absolute error |")
    print(f"|---|{'---|' * (len(AGES) + 2)}")
    for name, months in found.items():
        means = " | ".join(f"{months[ages == age].mean():.1f}" for age in AGES)
        print(f"| {name} | {means} | {told_apart(months, ages):.0%} | {np.abs(months - ages).mean():.1f} |")
    return 0


def infants(hands: int) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Draw and prepare so many hands of each age: images uint8 (N, S, S), sexes and ages in months (N,)."""
    preparer = Preparer(PREPARATION)
    images, sexes, ages = [], [], []
    for age in AGES:
        for number in range(hands):
            sex = tuple(Sex)[number % 2]
            film = phantom.draw(age, sex, seed=7_000_000 + number).image
            images.append(preparer.prepare(film).image)
            sexes.append(sex.value)
            ages.append(age)
    return np.stack(images), sexes, np.array(ages)


def told_apart(months: np.ndarray, ages: np.ndarray) -> float:
    """Return how often, of two hands of neighbouring ages, the older one is read as older, 0-1."""
    pairs = zip(AGES, AGES[1:], strict=False)
    return float(np.mean([_older(months[ages == young], months[ages == old]) for young, old in pairs]))


def _older(young: np.ndarray, old: np.ndarray) -> float:
    difference = old[:, None] - young[None]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


if __name__ == "__main__":
    sys.exit(main())
