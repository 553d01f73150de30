"""`boneage registry promote`, and the promotion that ends a study: say what the promotion gate found."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from boneage.commands.common import UsageError, complain, stage
from boneage.config import Config, load_config
from boneage.data.annotations import load_training, read_row
from boneage.data.flags import pixels_sha256
from boneage.errors import BoneageError
from boneage.hospital.audit_trail import log
from boneage.notices import warning
from boneage.pipeline import in_order
from boneage.registry.promotion import Promotion, PromotionError, promote
from boneage.registry.register import load_cascade
from boneage.registry.versions import RegistryError, VersionInfo
from boneage.study.materials import resolve_sources
from boneage.tracking.store import open_existing, open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient


def run_promote(args: argparse.Namespace) -> int:
    """Promote through the gate; a refusal ends with status 1 and its reason."""
    if args.overrides and not args.config:
        raise UsageError.of("call.set_without_config")
    config = load_config(args.config, args.overrides) if args.config else None
    client = open_existing()
    rescore = rescorer(client, config) if config else None
    try:
        promotion = promote(client, args.name, args.version, rescore=rescore, force_reason=args.force)
    except PromotionError as error:
        say_refusal(args.name, error)
        return 1
    log("promoted", model=args.name, version=str(promotion.version))
    say_promotion(args.name, promotion)
    return 0


def promote_version(config: Config, version: int) -> None:
    """Promote a study's new version through the gate; a refusal is said and changes nothing."""
    client, name = open_store(), f"{config.study.prefix}-cascade"
    try:
        say_promotion(name, promote(client, name, version, rescore=rescorer(client, config)))
    except PromotionError as error:
        say_refusal(name, error)
    except RegistryError as error:
        complain(error)


def rescorer(client: MlflowClient, config: Config) -> Callable[[VersionInfo, pd.DataFrame], pd.DataFrame]:
    """Return what estimates a challenger's validation images with a champion that was validated on others.

    The images come from the configuration's training sources (validation images are part of them) and are known by the
    hash of their pixels, so that a wrong data folder is an error and not a wrong comparison.
    """

    def rescore(version: VersionInfo, wanted: pd.DataFrame) -> pd.DataFrame:
        table = load_training(resolve_sources(config, stage).data).table.set_index("id")
        missing = [name for name in wanted["id"] if name not in table.index]
        if missing:
            raise BoneageError.of("promotion.images_missing", count=len(missing), all=len(wanted), first=missing[0])
        cascade, progress = load_cascade(version.uri, client), stage(f"estimate with version {version.version}")

        def again(row: dict[Any, Any]) -> float:
            pixels = read_row(table.loc[row["id"]])
            if pixels_sha256(pixels) != row["content_sha256"]:
                raise BoneageError.of("promotion.other_image", name=row["id"])
            # Versions are compared on all images, whatever the gate says of them.
            return float(cascade.estimate(pixels, str(row["sex"]), anyway=True).bone_age_months)

        months, workers = [], None if getattr(cascade, "shared", False) else 1
        for done, (_, age) in enumerate(in_order(again, wanted.to_dict("records"), workers), start=1):
            months.append(age)
            progress(done, len(wanted))
        return wanted.assign(bone_age_months=months)

    return rescore


def say_promotion(name: str, promotion: Promotion) -> None:
    """Print who is the champion now, what the gate found, and how to go back."""
    previous = promotion.previous
    if previous == promotion.version:
        print(f"{name} version {promotion.version} is the champion already: nothing was changed")
        return
    print(f"{name} version {promotion.version} is the champion" + ("" if previous else ": there was none before"))
    for check in promotion.verdict.checks:
        print(f"  {check}")
    if promotion.forced:
        print(f"the gate had refused it ({promotion.verdict.reason}) and was overridden: who and why is in its tags")
    if previous is not None:
        print(f"the champion before was version {previous}; `boneage registry rollback {name}` goes back to it")


def say_refusal(name: str, error: PromotionError) -> None:
    """Print on stderr why a version was refused, which checks it passed, and what can be done."""
    checks = error.verdict.checks
    complain(error.outcome if checks else error)
    for check in checks:
        complain(f"  {check}")
    if error.verdict.comparison is not None:
        complain(warning("promotion.how_to_force", name=name))
