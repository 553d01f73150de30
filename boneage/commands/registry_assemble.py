"""`boneage registry assemble`: make, score and register a cascade from chosen versions of its heads."""

from __future__ import annotations

import argparse
import tempfile
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
    from mlflow import MlflowClient


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
