"""The embedded networks and their mean, end to end: error, bias and ends on unseen and validation children.

    python benchmarks/measure_networks.py DATA --cache DIR/cache [--networks handnet handlite0]

DATA is the folder with the radiographs' zips; DIR is where `python -m boneage.pretrain lite0` put its prepared films.
Each film is estimated with its mirror image by the head that the backbone was trained with. The weight of the mean is
chosen on the unseen children alone; validation children decide nothing. `corrected` is after a line per sex, fitted on
the unseen children, too. With --retoned every film is first processed as another maker might (details raised or
flattened, uneven exposure, adaptive equalisation; the same for every network).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from boneage.config import BackboneConfig, Config
from boneage.learn.backbones import open_backbone
from boneage.learn.own_head import own_head
from boneage.pretrain import figures, study
from boneage.pretrain.loader import Training
from boneage.pretrain.sources import Child
from boneage.pretrain.toneaugment import Tones, retone

Ages = dict[str, np.ndarray]
SHARES = np.linspace(0, 1, 21)
RESAMPLES = 2000
PROCESSING = Tones(details=1.0, uneven=0.5, adaptive=0.25, bones_only=0.0, curve=0.5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", default=["handnet", "handlite0"])
    parser.add_argument("--weights", nargs="*", default=[], help="NAME=FILE for weights that do not ship yet")
    parser.add_argument("--retoned", action="store_true", help="measure on films as another maker would process them")
    parser.add_argument("--keep", type=Path, help="an .npz file for every estimate; those that it holds are taken")
    args = parser.parse_args()
    files = dict(pair.split("=", 1) for pair in args.weights)
    parts = study.load_study(args.data, args.cache, "equalize", print)
    sets = {"unseen": parts.unseen, "validation": parts.validation}
    kept = dict(np.load(args.keep)) if args.keep and args.keep.is_file() else {}
    found: dict[str, Ages] = {name: {} for name in sets}
    for network in args.networks:
        backbone = BackboneConfig(network, files.get(network, "asset"), batch_size=32)
        for name, part in sets.items():
            key = f"{name}/{network}{'/retoned' if args.retoned else ''}"
            kept[key] = found[name][network] = kept[key] if key in kept else estimate(backbone, part, args.retoned)
    if args.keep:
        np.savez(args.keep, **kept)
    if len(args.networks) == 2:
        add_mean(found, parts.unseen.kids())
    for network in list(found["unseen"]):
        add_corrected(found, network, {name: part.kids() for name, part in sets.items()})
    for name, part in sets.items():
        large = [i for i, kid in enumerate(part.kids()) if kid.id in parts.large]
        tell(name, part.kids(), found[name])
        tell(
            f"{name}, large films alone", [part.kids()[i] for i in large], {n: a[large] for n, a in found[name].items()}
        )
    return 0


def estimate(config: BackboneConfig, part: Training, retoned: bool) -> np.ndarray:
    """Return the ages in months (N,) that a network's own head reads from every film and its mirror image."""
    backbone, head = open_backbone(config, 256), own_head(Config(backbone=config))
    images = np.stack([part.prepared.images[rows[-1]] for rows in part.rows()])
    if retoned:
        images = np.stack([retone(image, np.random.default_rng(row), PROCESSING) for row, image in enumerate(images)])
    sexes = ["male" if kid.male else "female" for kid in part.kids()]
    both = [head.predict(backbone.pooled(view), sexes) for view in (images, np.ascontiguousarray(images[:, :, ::-1]))]
    return np.mean(both, axis=0, dtype=np.float64)


def add_mean(found: dict[str, Ages], kids: list[Child]) -> None:
    """Add the mean of two networks, weighted as is best on the unseen children."""
    truth = np.array([kid.age_months for kid in kids])
    first, second = found["unseen"]
    one, other = found["unseen"].values()
    errors = [np.abs((1 - share) * one + share * other - truth).mean() for share in SHARES]
    best = float(SHARES[int(np.argmin(errors))])
    print(f"share of {second} in the mean, chosen on unseen children: {best:.2f}")
    for nets in found.values():
        nets["mean"] = (1 - best) * nets[first] + best * nets[second]


def add_corrected(found: dict[str, Ages], network: str, kids: dict[str, list[Child]]) -> None:
    """Add what a line per sex, fitted on the unseen children, makes of a network's ages."""
    truth = np.array([kid.age_months for kid in kids["unseen"]])
    male = np.array([kid.male for kid in kids["unseen"]])
    lines = [np.polyfit(found["unseen"][network][male == sex], truth[male == sex], 1) for sex in (0, 1)]
    for name, nets in found.items():
        ages = [np.polyval(lines[kid.male], age) for kid, age in zip(kids[name], nets[network], strict=True)]
        nets[f"{network}, corrected"] = np.clip(ages, 0, 228)


def tell(what: str, kids: list[Child], estimates: Ages) -> None:
    """Print one table: a row a network."""
    truth = np.array([kid.age_months for kid in kids])
    parts = [f"{sex}_{group}" for sex in ("female", "male") for group in (1, 2, 3, 4)]
    columns = [*parts, *figures.ENDS]
    print(f"\n{what}: {len(kids)} children; mean absolute error, then error / bias per part, months")
    print(f"| network | MAE (95 %) | minus the first (95 %) | bias | {' | '.join(columns)} | within 12 | within 24 |")
    print(f"|---|{'---|' * (len(columns) + 5)}")
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(kids), (RESAMPLES, len(kids)))
    base = np.abs(next(iter(estimates.values())) - truth)
    for name, ages in estimates.items():
        errors, numbers = np.abs(ages - truth), figures.age_figures(kids, ages)
        cells = [
            f"{numbers[f'mae_months_{c}']:.1f} / {numbers[f'bias_months_{c}']:+.1f}"
            if f"mae_months_{c}" in numbers
            else ""
            for c in columns
        ]
        print(
            f"| {name} | {errors.mean():.2f} ({span(errors[drawn].mean(1))}) | {(errors - base).mean():+.2f} "
            f"({span((errors - base)[drawn].mean(1))}) | {numbers['bias_months']:+.1f} | {' | '.join(cells)} | "
            f"{numbers['within_12_months']:.0%} | {numbers['within_24_months']:.0%} |"
        )


def span(means: np.ndarray) -> str:
    """Return the middle 95 % of resampled means as text."""
    low, high = np.percentile(means, (2.5, 97.5))
    return f"{low:.2f} to {high:.2f}"


if __name__ == "__main__":
    sys.exit(main())
