"""Is each thing that a configuration switches on worth it out of fold? Nothing here looks at a validation image.

    python benchmarks/measure_choices.py configs/best.toml --set data.root=PATH

One setting is changed at a time, all heads are fitted anew in five folds, and the training images that the backbone had
not seen are estimated by the heads of the fold that held them out. `experts` is the routed age without the head for all
ages, `stacked` with it; `minus` is the paired difference of `stacked` to the configuration's
own, with a 95 % bootstrap interval. Ensembles of folds cannot be judged so: there is one head for each image.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from boneage.commands.common import stage
from boneage.config import Config, load_config
from boneage.groups import ALL_MODELS, Task
from boneage.learn.crossval import cross_validate
from boneage.study.materials import Materials, gather
from boneage.study.models import Chosen, ModelOutcome, model_task
from boneage.study.out_of_fold import Learnt, learn_from_folds, route_out_of_fold

CHANGES: dict[str, Sequence[str]] = {
    "this configuration": (),
    "hard routing": ("cascade.routing=hard",),
    "no temperature": ("cascade.temperature=false",),
    "windows of the groups alone": ("training.overlap_months=0.0",),
    "windows of 24 months more": ("training.overlap_months=24.0",),
    "regression instead of label distributions": ("regressor.loss=mae",),
    "one view": ('cascade.views=["original"]',),
    "sexes together": ("training.joint_sexes=true",),
    "the paper's head sizes": (
        "classifier.width_1=1024",
        "classifier.width_2=512",
        "regressor.width_1=1024",
        "regressor.width_2=512",
    ),
    "no head for all ages": ("global_head.kind=none",),
    "spread not matched": ("global_head.match_spread=false",),
    "fitted heads for all ages": ("global_head.kind=distribution",),
}
NOT_REFITTED = (
    "hard routing",
    "no temperature",
    "no head for all ages",
    "spread not matched",
    "fitted heads for all ages",
)
RESAMPLES = 2000


def main() -> None:
    """Print one row per change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="section.key=value")
    parser.add_argument("--only", nargs="+", choices=list(CHANGES), metavar="CHANGE", help="these alone")
    args = parser.parse_args()
    materials = gather(load_config(args.config, args.overrides), stage)
    own = fitted(materials)
    print("| what differs | experts | stacked | minus | 95 % interval |\n|---|---|---|---|---|")
    reference: np.ndarray | None = None
    for name, changes in CHANGES.items():
        if reference is not None and args.only and name not in args.only:
            continue
        changed = with_config(materials, load_config(args.config, [*args.overrides, *changes]))
        outcomes = own if not changes or name in NOT_REFITTED else fitted(changed)
        learnt = learn_from_folds(changed, outcomes)
        experts, stacked = errors(learnt)
        reference = stacked if reference is None else reference
        print(row(name, experts, stacked, reference), flush=True)


def with_config(materials: Materials, config: Config) -> Materials:
    """Return materials for a changed configuration; images, splits and cached features stay."""
    return replace(materials, config=config, part=replace(materials.part, views=tuple(config.cascade.views)))


def fitted(materials: Materials) -> dict[object, ModelOutcome]:
    """Fit the ten models in five folds."""
    config, outcomes, bar = materials.config, {}, stage("models")
    for done, key in enumerate(ALL_MODELS, start=1):
        task = model_task(materials, key)
        params = config.classifier if key.task is Task.CLASSIFIER else config.regressor
        cv = cross_validate(key, task.train, task.fold, params, config.training, seed=config.study.seed)
        # The final training takes no part out of fold; a fold's stands in its place.
        outcomes[key] = ModelOutcome(key, Chosen(params, cv, 0), cv.folds[0].fit, {}, "")
        bar(done, len(ALL_MODELS))
    return outcomes


def errors(learnt: Learnt) -> tuple[np.ndarray, np.ndarray]:
    """Return the absolute errors in months (N,) of the experts alone and of the whole."""
    held = learnt.held
    experts = route_out_of_fold(learnt.folds, held, learnt.config).ages
    stacked = learnt.out_of_fold(held.samples.features, held.sexes, held.fold).ages
    return np.abs(experts - held.samples.ages), np.abs(stacked - held.samples.ages)


def row(name: str, experts: np.ndarray, stacked: np.ndarray, reference: np.ndarray) -> str:
    """Return one row of the table."""
    minus = stacked - reference
    picks = np.random.default_rng(0).integers(0, len(minus), (RESAMPLES, len(minus)))
    low, high = np.percentile(minus[picks].mean(axis=1), (2.5, 97.5))
    return f"| {name} | {experts.mean():.3f} | {stacked.mean():.3f} | {minus.mean():+.3f} | {low:+.3f} to {high:+.3f} |"


if __name__ == "__main__":
    main()
