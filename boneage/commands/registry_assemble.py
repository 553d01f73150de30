"""Register a cascade of chosen versions of its heads (`boneage registry assemble`), or an older one with a graph.

`boneage registry convert` gives an older cascade a graph that serves without TensorFlow.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from boneage.cascade.bundle import save_bundle
from boneage.commands.common import UsageError, add_overrides, complain, import_keras_quietly, notice, stage
from boneage.commands.evaluate import labelled
from boneage.errors import BoneageError
from boneage.evaluation.evaluate import Evaluation, evaluate_cascade
from boneage.evaluation.metrics_table import account
from boneage.groups import ModelKey
from boneage.notices import warning
from boneage.registry.assembly import Assembly, assemble_heads, check_films, of_unseen
from boneage.registry.model_card import model_card
from boneage.registry.register import Submission, register_cascade
from boneage.registry.validation import validation_table
from boneage.registry.versions import cascade_name, show
from boneage.tracking.store import open_existing, single_run

if TYPE_CHECKING:
    import numpy as np
    from mlflow import MlflowClient

_MOST_FILMS = 2000


def assemble_arguments(parser: argparse.ArgumentParser, default_name: str) -> None:
    """Describe `boneage registry assemble`."""
    parser.add_argument("data", metavar="DATA", help="the study's CONFIG.toml (or a folder with its validation images)")
    parser.add_argument(
        "--head",
        dest="heads",
        metavar="KEY=VERSION",
        action="append",
        required=True,
        help="take this version of a head, for example regressor-female-4=3 (may be given several times)",
    )
    parser.add_argument("--base", metavar="VERSION", default="champion", help="keep its other heads (default champion)")
    parser.add_argument("--name", default=default_name, help=f"the cascade (default {default_name})")
    add_overrides(parser)
    parser.set_defaults(run=run, part=None)


def run(args: argparse.Namespace) -> int:
    """Assemble, score on validation images that no head was trained on, register, and say how to go on."""
    chosen = dict(_head(text) for text in args.heads)
    client = open_existing()
    base = show(client, args.name, args.base)
    import_keras_quietly()
    assembly = assemble_heads(client, base, chosen)
    evaluation = _scored(assembly, args)
    version = register_assembled(client, assembly, evaluation)
    print(f"{args.name} version {version}: version {base.version} with {', '.join(assembly.replaced)}")
    print(f"cascade MAE on {len(evaluation.per_image)} validation images {evaluation.metrics['mae_months']:.2f} months")
    print("registered as challenger; to compare it with its base, then to put it to the gate:")
    print(f"  boneage registry compare --name {args.name} {version} {base.version}")
    print(f"  boneage registry promote {args.name}")
    notice()
    return 0


def register_assembled(client: MlflowClient, assembly: Assembly, evaluation: Evaluation) -> int:
    """Register an assembled cascade under a run of its own, with tags that say what it was made from."""
    cascade, base = assembly.cascade, assembly.base
    lineage = {"assembled_from": str(base.version), "assembled_heads": "; ".join(assembly.replaced)}
    tags = {"level": "assembly", "study": cascade.config.study.name, **lineage}
    started = single_run(client, "assembly", f"from version {base.version}", tags)
    with started as run_id, tempfile.TemporaryDirectory() as temporary:
        submission = Submission(
            bundle=save_bundle(cascade, Path(temporary) / "cascade"),
            run_id=run_id,
            card=model_card(cascade, evaluation.metrics, figures=account(evaluation.per_image)),
            metrics=evaluation.metrics,
            validation=validation_table(evaluation.per_image),
            pinned=assembly.heads,
            prefix=base.name.removesuffix(cascade_name("")),
            tags={**lineage, "backbone_saw_images": base.tags.get("backbone_saw_images", "unknown")},
        )
        return register_cascade(client, submission)


def _scored(assembly: Assembly, args: argparse.Namespace) -> Evaluation:
    table, name, _ = labelled(args)
    kept = of_unseen(assembly, table)
    if len(kept) < len(table):
        complain(warning("assembly.left_out", count=len(table) - len(kept), name=name))
    progress = stage("estimate the validation images")
    evaluation = evaluate_cascade(assembly.cascade, kept, progress=progress, anyway=True)
    if len(evaluation.problems):
        count, first = len(evaluation.problems), evaluation.problems.iloc[0]
        raise BoneageError.of("assembly.not_estimated", count=count, first=first["id"], reason=first["reason"])
    check_films(assembly, evaluation.per_image)
    return evaluation


def _head(text: str) -> tuple[ModelKey, int]:
    name, _, version = text.partition("=")
    try:
        return ModelKey.parse(name), int(version)
    except ValueError as error:
        raise UsageError.of("call.head", given=text) from error


def convert_arguments(parser: argparse.ArgumentParser, default_name: str) -> None:
    """Describe `boneage registry convert`."""
    parser.add_argument("name", metavar="NAME", nargs="?", default=default_name, help=f"default {default_name}")
    parser.add_argument("--version", default="champion", help="a number or alias (default champion)")
    words = "labelled images to compare graph and Keras on (default: drawn hands)"
    parser.add_argument("--films", metavar="DATA", type=Path, help=words)
    parser.set_defaults(run=run_convert)


def run_convert(args: argparse.Namespace) -> int:
    """Convert, register, and say how far the graph and Keras are apart."""
    from boneage.registry.convert import convert_version
    from boneage.registry.versions import show
    from boneage.tracking.store import open_existing

    client = open_existing()
    info = show(client, args.name, args.version)
    version = convert_version(client, info, None if args.films is None else _films(args.films))
    tags = show(client, args.name, version).tags
    print(f"{args.name} version {version}: version {info.version} with a graph that serves without TensorFlow")
    apart, films = tags["graph_largest_difference_months"], tags["graph_films"]
    print(f"its ages and those of Keras are at most {apart} months apart on {films} films")
    print(f"registered as challenger; `boneage registry promote {args.name}` makes it the champion")
    notice()
    return 0


def _films(data: Path) -> Iterator[tuple[np.ndarray, str]]:
    from boneage.data.annotations import load_folder, read_row

    table = load_folder(data).table
    if table.empty:
        raise BoneageError.of("data.no_labelled_image", name=data)
    # One after the other: originals of a whole set would not fit into memory at once.
    return ((read_row(row), str(row["sex"])) for _, row in table.head(_MOST_FILMS).iterrows())
