"""What a full study costs, reckoned from unit costs measured here: backbone passes, core-hours, hours, gigabytes.

    python benchmarks/reckon.py [--images 12611] [--trials 100] [--workers 1 8 64]

Unit costs are processor time (not wall time, so a busy machine disturbs little) of one thread: preparing a film of 1024
px with the shipped mask network, pushing one prepared film through a backbone, and fitting a head for one sample and
epoch (width 1024 and 512, batch 32). A worker is one such core. Hours assume that preparation, passes and trials divide
evenly (the preparation of two processes measured 1.7 to 2 times one, `bench_prepare.py`) and that at most ten workers
are busy with the ten final trainings. No trial is pruned and every fold takes all its epochs: an upper bound.
Sizes are those of the 12,611 RSNA films: 637 MB of prepared PNG (`du`), a database of 23.5 MB after 120 trials.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

os.environ["OMP_NUM_THREADS"] = os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

FILMS, PASSES = 6, 2
SAMPLES, MEASURED_EPOCHS = 1024, 6
FOLDS, MODELS = 5, 10
PREPARED_MB_PER_FILM = 637 / 12611
DATABASE_MB_PER_TRIAL = 23.5 / 120


@dataclass(frozen=True)
class Units:
    """Core-seconds of one film prepared, one pass, and one sample for one epoch; `features` numbers per film."""

    prepare: float
    one_pass: float
    sample_epoch: float
    features: int


def main() -> int:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--images", type=int, default=12611)
    parse.add_argument("--trials", type=int, default=100, help="per model")
    parse.add_argument("--epochs", type=int, default=60, help="per fold, at most")
    parse.add_argument("--workers", type=int, nargs="+", default=[1, 8, 64])
    parse.add_argument("--backbones", nargs="+", default=["handnet", "EfficientNetV2L"])
    args = parse.parse_args()
    prepare = preparing()
    for name in args.backbones:
        units = Units(prepare, *passing(name))
        report(name, units, args)
    return 0


def preparing() -> float:
    from boneage.config import PreprocessConfig
    from boneage.groups import Sex
    from boneage.phantom.hand import draw
    from boneage.phantom.options import PhantomOptions
    from boneage.preprocess.preparer import Preparer

    films = [draw(40.0 + 30 * n, list(Sex)[n % 2], n, PhantomOptions(size=1024)).image for n in range(FILMS)]
    preparer = Preparer(PreprocessConfig(background="handmask", crop=True, pad=True), threads=1)
    preparer.prepare(films[0])
    return seconds(lambda: [preparer.prepare(film) for film in films]) / FILMS


def passing(name: str) -> tuple[float, float, int]:
    """Return core-seconds of a pass and of a sample's epoch on such features, and how many features there are."""
    from boneage.config import BackboneConfig
    from boneage.learn.backbones import open_backbone

    weights = "asset" if name == "handnet" else "none"  # time does not depend on the weights
    backbone = open_backbone(BackboneConfig(name=name, weights=weights, batch_size=PASSES), 500)
    images = np.random.default_rng(0).integers(0, 256, (PASSES, 500, 500), dtype=np.uint8)
    backbone.pooled(images)
    return seconds(lambda: backbone.pooled(images)) / PASSES, fitting(backbone.features), backbone.features


def fitting(features: int) -> float:
    from boneage.config import HeadParameters, TrainingConfig
    from boneage.groups import ModelKey
    from boneage.learn.fit import Samples, fit_head

    rng = np.random.default_rng(0)
    ages = rng.uniform(58, 115, SAMPLES).astype(np.float32)
    samples = Samples(rng.normal(size=(SAMPLES, features)).astype(np.float32), ages, np.full(SAMPLES, 2))
    watch = samples.take(np.arange(SAMPLES // 4))
    training = TrainingConfig(epochs=MEASURED_EPOCHS, patience=MEASURED_EPOCHS)

    def fit() -> None:
        fit_head(ModelKey.parse("regressor-male-2"), samples, watch, HeadParameters(), training, seed=1)

    fit()  # traces the graph, once per architecture in a study
    return seconds(fit) / (SAMPLES * MEASURED_EPOCHS)


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time of all threads of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def report(name: str, units: Units, args: argparse.Namespace) -> None:
    train = 0.8 * args.images
    # Every training image belongs to one classifier and one regressor; a fold is fitted on four fifths of them.
    per_trial = 2 * train * (1 - 1 / FOLDS) * FOLDS * args.epochs * units.sample_epoch
    finals = 2 * train * args.epochs * units.sample_epoch
    parts = {
        "prepare": args.images * units.prepare,
        "passes": args.images * units.one_pass,
        "trials": args.trials * per_trial,
        "final trainings": finals,
    }
    unshared = MODELS * args.trials * FOLDS * args.epochs * (2 * train / MODELS) * (1 - 1 / FOLDS)
    kept = MODELS * FOLDS * 4 * (units.features * 1024 + 1024 * 512)
    print(f"\n{name}: {args.images} images, {MODELS} models, {args.trials} trials each, {FOLDS} folds")
    print(
        f"  measured: {units.prepare:.3f} core-s a film prepared, {units.one_pass:.3f} core-s a pass, "
        f"{1e6 * units.sample_epoch:.1f} core-us a sample and epoch"
    )
    print(f"  backbone passes: {args.images} (without cached features: {unshared:.2e})")
    for part, cost in parts.items():
        print(f"  {part:<16} {cost / 3600:8.2f} core-hours")
    for workers in args.workers:
        whole = sum(parts.values()) - finals
        print(f"  {workers:>3} workers      {(whole / workers + finals / min(workers, MODELS)) / 3600:8.2f} hours")
    gigabytes = {
        "prepared films": args.images * PREPARED_MB_PER_FILM / 1e3,
        "features": args.images * units.features * 4 / 1e9,
        "best folds": kept / 1e9,
        "database": MODELS * args.trials * DATABASE_MB_PER_TRIAL / 1e3,
    }
    print("  gigabytes: " + ", ".join(f"{what} {size:.2f}" for what, size in gigabytes.items()))


if __name__ == "__main__":
    raise SystemExit(main())
