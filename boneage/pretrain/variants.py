"""Small comparisons behind the backbone: one thing changed at a time, the same few children, the same epochs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from boneage.config import PreprocessConfig
from boneage.preprocess.preparer import Preparer
from boneage.pretrain import figures, handnet, prepare, sources
from boneage.pretrain.loader import Training
from boneage.pretrain.torchnet import NetShape

SMALL = handnet.HandRecipe(
    side=96,
    early_epochs=0,
    cycles=(handnet.Cycle(12, 2e-3, warm=0.05, annealed=0.5),),
    average=0.99,
    shape=NetShape((16, 32, 64, 128), (0, 2, 3, 2), 256),
)
CHILDREN = 4000
CHILDREN_SEED = 5


@dataclass(frozen=True)
class Variant:
    """One comparison.

    Attributes:
        what: What differs from the first variant.
        recipe: How the small network is trained.
        preparation: The steps that films go through.
        unstretch: Whether the 100 px films are brought to their true aspect first.
    """

    what: str
    recipe: handnet.HandRecipe = SMALL
    preparation: PreprocessConfig = prepare.PREPARATION
    unstretch: bool = True


VARIANTS = {
    "base": Variant("96 px, 0.8 M parameters, masked, equalised, unstretched, augmented, both losses"),
    "input-64": Variant("64 px", replace(SMALL, side=64)),
    "input-128": Variant("128 px", replace(SMALL, side=128)),
    "wide": Variant("twice as wide", replace(SMALL, shape=NetShape((32, 64, 128, 256), (0, 2, 3, 2), 512))),
    "plain-views": Variant("no augmentation", replace(SMALL, augmented=False)),
    "regression": Variant("absolute error alone", replace(SMALL, crossed=0.0)),
    "distribution": Variant("label distribution alone", replace(SMALL, straight=0.0)),
    "no-mask": Variant(
        "no mask, the whole film", preparation=replace(prepare.PREPARATION, background="none", crop=False)
    ),
    "not-equalised": Variant("no equalisation", preparation=prepare.preparation("none")),
    "clahe": Variant("CLAHE instead of equalisation", preparation=prepare.preparation("clahe")),
    "stretched": Variant("films left stretched to a square", unstretch=False),
}


def compare(data: Path, out: Path, *, progress: Callable[[str], None] = handnet.silent) -> Path:
    """Train each variant once on the same children and measure it on the unseen ones; validation children take no part.

    Args:
        data: The folder with the zips and tables.
        out: Where `variants.json` goes; variants that it already holds are not trained again.
        progress: Called with a line of text now and then.

    Returns:
        The path of `variants.json`: per name what differs, the unseen children's MAE in months and the epochs' losses.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / "variants.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name, variant in VARIANTS.items():
        if name not in found:
            found[name] = _measure(data, out, variant, progress)
            path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        progress(f"{name}: {found[name]['unseen_mae_months']:.2f} months on unseen children ({variant.what})")
    return path


def _measure(data: Path, out: Path, variant: Variant, progress: Callable[[str], None]) -> dict[str, object]:
    train, unseen = _children(data, out, variant, progress)
    trainer = handnet.Trainer(variant.recipe)
    losses = [round(trainer.run_epoch(train), 4) for _ in range(variant.recipe.passes)]
    guesses = handnet.estimate(trainer.average.average, unseen, variant.recipe.side)
    error = figures.age_figures(unseen.kids(), guesses)["mae_months"]
    parameters = sum(p.numel() for p in trainer.net.parameters())
    return {"what": variant.what, "unseen_mae_months": error, "losses": losses, "parameters": parameters}


def _children(data: Path, out: Path, variant: Variant, progress: Callable[[str], None]) -> tuple[Training, Training]:
    """Draw the children to train on, and prepare their 100 px films and those of the unseen children."""
    table, never = sources.children(data), sources.validation_ids(data)
    unseen = sources.unseen_ids(table, never)
    rest = sorted(set(table) - never - unseen, key=int)
    drawn = np.random.default_rng(CHILDREN_SEED).permutation(rest)[:CHILDREN].tolist()
    ids = sorted({*drawn, *unseen}, key=int)
    folder = out / "cache" / f"{Preparer(variant.preparation).sha256[:12]}-{'true' if variant.unstretch else 'square'}"
    films = sources.films_of(ids, frozenset())
    prepared = prepare.prepare_all(data, films, folder, variant.preparation, progress, unstretch=variant.unstretch)
    both = Training(table, prepared, tuple(ids))
    return both.choose(sorted(drawn, key=int)), both.choose(sorted(unseen, key=int))
