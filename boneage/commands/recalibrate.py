"""`boneage recalibrate`: fit a site's own correction; register it only where it is proven better."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd

from boneage.cascade.bundle import save_bundle
from boneage.cascade.calibration import Recalibration, recalibrate
from boneage.cascade.cascade import Cascade
from boneage.commands.common import UsageError, add_model, complain, notice, open_cascade, stage
from boneage.data.annotations import load_folder, read_row
from boneage.data.flags import pixels_sha256
from boneage.errors import BoneageError
from boneage.learn.metrics import regression_metrics
from boneage.notices import warning
from boneage.registry.checks import STRESS_TAG
from boneage.registry.model_card import model_card
from boneage.registry.register import Submission, register_cascade
from boneage.registry.validation import validation_table
from boneage.registry.versions import parse_uri, show
from boneage.tracking.store import open_store, single_run


def recalibrate_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage recalibrate`."""
    parser.add_argument("data", metavar="DATA", type=Path, help="a folder or table of local images with readings")
    parser.add_argument("--dry-run", action="store_true", help="print the figures and register nothing")
    add_model(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the figures and register the corrected cascade; return 1 where it is no better beyond its interval."""
    if not args.dry_run and not str(args.model).startswith("models:"):
        raise UsageError.of("call.not_registered", model=args.model)
    table = load_folder(args.data).table
    if table.empty:
        raise BoneageError.of("data.no_labelled_image", name=args.data)
    cascade = open_cascade(args.model)
    rows = _estimated(cascade, table)
    found = recalibrate(
        list(rows["sex"]),
        rows["estimated_months"].to_numpy(float),
        rows["true_months"].to_numpy(float),
        cascade.config.cascade.coverage,
        cascade.intervals,
        rows["surest"].to_numpy(float),
    )
    _print(found, len(rows))
    notice()
    if not found.better:
        complain(warning("recalibration.refused"))
        return 1
    if not args.dry_run:
        version = register_recalibrated(cascade, found, rows, str(args.model))
        print(f"registered version {version} as challenger; `boneage registry promote` makes it the champion")
    return 0


def register_recalibrated(cascade: Cascade, found: Recalibration, rows: pd.DataFrame, uri: str) -> int:
    """Register the corrected cascade as a new version; its validation images are the local ones, out of fold."""
    client = open_store()
    info = show(client, *parse_uri(uri))
    site = {
        "images": len(rows),
        "before_mae_months": found.before_mae_months,
        "after_mae_months": found.after_mae_months,
        "from": f"{info.name} version {info.version}",
    }
    card = {**cascade.card, "recalibrated": site}
    corrected = replace(cascade, calibration=found.calibration, intervals=found.intervals, card=card)
    local = rows.assign(estimated_months=found.out_of_fold)
    metrics = regression_metrics(local["true_months"].to_numpy(), found.out_of_fold)
    # A line through the estimates changes nothing in how they bear disturbances.
    kept = {STRESS_TAG: info.tags[STRESS_TAG]} if STRESS_TAG in info.tags else {}
    started = single_run(client, "recalibration", "recalibration", {"level": "recalibration"})
    with started as run_id, tempfile.TemporaryDirectory() as temporary:
        submission = Submission(
            bundle=save_bundle(corrected, Path(temporary) / "cascade"),
            run_id=run_id,
            card=model_card(corrected, metrics),
            metrics=metrics,
            validation=validation_table(local),
            prefix=info.name.removesuffix("-cascade"),
            tags={"recalibrated_from": str(info.version), **kept},
        )
        return register_cascade(client, submission)


def _estimated(cascade: Cascade, table: pd.DataFrame) -> pd.DataFrame:
    """Estimate the local images with the cascade as it is; what cannot be estimated is said and left out."""
    # An earlier correction must not be corrected again: lines are always fitted on the cascade's own ages.
    plain, rows, progress = replace(cascade, calibration=None), [], stage("estimate")
    for done, (_, row) in enumerate(table.iterrows(), start=1):
        try:
            film = read_row(row)
            estimate = plain.estimate(film, str(row["sex"]))
        except BoneageError as error:
            complain(warning("data.left_out", name=row["image"], reason=error))
        else:
            known = {"id": str(row["id"]), "sex": str(row["sex"]), "true_months": float(row["age_months"])}
            found = {"estimated_months": estimate.bone_age_months, "surest": max(estimate.group_probabilities)}
            rows.append({**known, **found, "content_sha256": pixels_sha256(film)})
        progress(done, len(table))
    return pd.DataFrame(rows, columns=["id", "sex", "true_months", "estimated_months", "surest", "content_sha256"])


def _print(found: Recalibration, images: int) -> None:
    print(f"{images} local images, five folds: figures on images that the correction had not seen")
    print(f"MAE before     {found.before_mae_months:.2f} months")
    print(f"MAE after      {found.after_mae_months:.2f} months")
    difference = found.after_mae_months - found.before_mae_months
    print(f"difference     {difference:+.2f} (95 % interval {found.low_months:+.2f} to {found.high_months:+.2f})")
    for sex, slope in found.calibration.slopes.items():
        print(f"{sex:<14} age = {slope:.3f} x estimate {found.calibration.intercepts[sex]:+.1f} months")
    for cell, half in found.intervals.half_widths.items():
        print(f"interval {cell:<9} +-{half:.1f} months")
