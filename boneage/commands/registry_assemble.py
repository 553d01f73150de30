"""`boneage registry assemble`: a new cascade from chosen head versions, scored again and registered as challenger."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.commands.common import UsageError, add_overrides, complain, import_keras_quietly, notice, stage
from boneage.commands.evaluate import labelled
from boneage.errors import BoneageError
from boneage.groups import ModelKey

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from boneage.evaluation.evaluate import Evaluation
    from boneage.registry.assembly import Assembly


def add_parser(actions: Any, default_name: str) -> None:
    """Add the action to `boneage registry`."""
    parser = actions.add_parser("assemble", help="a new cascade from chosen head versions")
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
    from boneage.registry.assembly import assemble_heads
    from boneage.registry.register import show
    from boneage.tracking.store import open_existing

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
    from boneage.cascade.bundle import save_bundle
    from boneage.evaluation.metrics_table import account
    from boneage.registry.model_card import model_card
    from boneage.registry.register import Submission, register_cascade, validation_table
    from boneage.registry.versions import cascade_name
    from boneage.tracking.store import ensure_experiment

    cascade, base = assembly.cascade, assembly.base
    lineage = {"assembled_from": str(base.version), "assembled_heads": "; ".join(assembly.replaced)}
    experiment = ensure_experiment(client, "assembly")
    tags = {"level": "assembly", "study": cascade.config.study.name, **lineage}
    run_id = client.create_run(experiment, tags=tags, run_name=f"from version {base.version}").info.run_id
    frame, status = evaluation.per_image, "FAILED"
    try:
        with tempfile.TemporaryDirectory() as temporary:
            submission = Submission(
                bundle=save_bundle(cascade, Path(temporary) / "cascade"),
                run_id=run_id,
                card=model_card(cascade, evaluation.metrics, figures=account(frame)),
                metrics=evaluation.metrics,
                validation=validation_table(frame, dict(zip(frame["id"], frame["content_sha256"], strict=True))),
                pinned=assembly.heads,
                prefix=base.name.removesuffix(cascade_name("")),
                tags={**lineage, "backbone_saw_images": base.tags.get("backbone_saw_images", "unknown")},
            )
            version = register_cascade(client, submission)
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)
    return version


def _scored(assembly: Assembly, args: argparse.Namespace) -> Evaluation:
    from boneage.evaluation.evaluate import evaluate_cascade
    from boneage.registry.assembly import check_films, of_unseen

    table, name, _ = labelled(args)
    kept = of_unseen(assembly, table)
    if len(kept) < len(table):
        complain(f"{len(table) - len(kept)} images of {name} are left out: a head may have been trained on them")
    progress = stage("estimate the validation images")
    evaluation = evaluate_cascade(assembly.cascade, kept, progress=progress, anyway=True)
    if len(evaluation.problems):
        count, first = len(evaluation.problems), evaluation.problems.iloc[0]
        raise BoneageError(f"{count} images could not be estimated; the first, {first['id']}: {first['reason']}")
    check_films(assembly, evaluation.per_image)
    return evaluation


def _head(text: str) -> tuple[ModelKey, int]:
    name, _, version = text.partition("=")
    try:
        return ModelKey.parse(name), int(version)
    except ValueError as error:
        raise UsageError(f"--head wants KEY=VERSION such as regressor-female-4=3, but {text!r} was given") from error
