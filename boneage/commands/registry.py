"""`boneage registry`: what is registered, what answers by default, and how that changes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.commands import registry_assemble, registry_compare
from boneage.commands.common import UsageError, add_overrides, complain
from boneage.commands.registry_show import run_history, run_list, run_show
from boneage.config import load_config
from boneage.hospital.audit_trail import log

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from boneage.registry.promotion import Promotion, PromotionError

DEFAULT_NAME = "boneage-cascade"
_ACTIONS = "{list,show,history,compare,promote,rollback,assemble,export,import}"


def add_parser(commands: Any) -> None:
    """Add the command to the parser's list."""
    parser = commands.add_parser("registry", help="list, show, compare, promote, roll back, assemble, export, import")
    actions = parser.add_subparsers(dest="action", required=True, metavar=_ACTIONS)
    listing = actions.add_parser("list", help="every registered version")
    listing.add_argument("name", metavar="NAME", nargs="?", help="only this model (default: every cascade)")
    listing.add_argument("--all", action="store_true", help="the single heads, too")
    listing.set_defaults(run=run_list)
    _named(actions, "show", "one version: figures, heads, lineage, card", run_show, version="champion")
    _named(actions, "history", "who was champion from when to when, by whom, with which figures", run_history)
    registry_compare.add_parser(actions, DEFAULT_NAME)
    promote = _named(actions, "promote", "make a version the champion, through the gate", run_promote, "challenger")
    promote.add_argument(
        "--config", metavar="CONFIG", help="the challenger's study, to score a champion that never saw its images"
    )
    add_overrides(promote)
    promote.add_argument("--force", metavar="REASON", help="override the gate; who did and why is kept in a tag")
    _named(actions, "rollback", "make the former champion the champion again", run_rollback)
    registry_assemble.add_parser(actions, DEFAULT_NAME)
    export = _named(actions, "export", "write a version as one archive", run_export, version="champion")
    export.add_argument("--out", metavar="PLACE", type=Path, required=True, help="a folder, or a new .zip file")
    lean = "leave out the networks that ship with every installation of this version"
    export.add_argument("--lean", action="store_true", help=lean)
    bring = actions.add_parser("import", help="register an exported version, or the cascade that ships with boneage")
    bring.add_argument("archive", metavar="ARCHIVE", type=Path, nargs="?")
    bring.add_argument("--shipped", action="store_true", help="the cascade that ships with boneage")
    bring.add_argument("--prefix", help="another prefix of the registered names than the archive's")
    bring.set_defaults(run=run_import)


def _named(actions: Any, name: str, words: str, run: Any, version: str = "") -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=words)
    parser.add_argument("name", metavar="NAME", nargs="?", default=DEFAULT_NAME, help=f"default {DEFAULT_NAME}")
    if version:
        words = f"a number or alias (default {version})"
        parser.add_argument("--version", metavar="VERSION", default=version, help=words)
    parser.set_defaults(run=run)
    return parser


def run_promote(args: argparse.Namespace) -> int:
    """Promote through the gate; a refusal ends with status 1 and its reason."""
    if args.overrides and not args.config:
        raise UsageError("--set belongs to --config CONFIG, which was not given")
    config = load_config(args.config, args.overrides) if args.config else None
    from boneage.commands.rescore import rescorer
    from boneage.registry.register import PromotionError, promote

    client = _client()
    rescore = rescorer(client, config) if config else None
    try:
        promotion = promote(client, args.name, args.version, rescore=rescore, force_reason=args.force)
    except PromotionError as error:
        say_refusal(args.name, error)
        return 1
    log("promoted", model=args.name, version=str(promotion.version))
    say_promotion(args.name, promotion)
    return 0


def run_rollback(args: argparse.Namespace) -> int:
    """Go back to the former champion."""
    from boneage.registry.register import rollback

    done = rollback(_client(), args.name)
    log("rolled back", model=args.name, version=str(done.version), beside=str(done.previous))
    print(f"{args.name} version {done.version} is the champion again, as it was before version {done.previous}")
    again = f"boneage registry promote {args.name} --version {done.previous}"
    print(f"version {done.previous} stays registered; `{again}` puts it to the gate again")
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Write a version as an archive."""
    from boneage.registry.archive import export_version

    archive = export_version(_client(), args.name, args.version, args.out, lean=args.lean)
    beside = f"its training record in {archive.with_suffix('.json').name}" if args.lean else "its sha256"
    print(f"written to {archive}, {beside} beside it")
    print(f"`boneage registry import {archive.name}` registers it on another machine")
    return 0


def run_import(args: argparse.Namespace) -> int:
    """Register an exported version or the shipped cascade."""
    if bool(args.archive) == args.shipped or (args.shipped and args.prefix):
        raise UsageError("import wants either the ARCHIVE of an exported version, or --shipped alone")
    from boneage.registry.archive import import_shipped, import_version

    client = _client()
    print(import_shipped(client) if args.shipped else import_version(client, args.archive, args.prefix))
    return 0


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
    complain(error.outcome if checks else str(error))
    for check in checks:
        complain(f"  {check}")
    if error.verdict.comparison is not None:
        complain(f"`boneage registry compare --name {name}` shows every part; --force 'REASON' overrides the gate")


def _client() -> MlflowClient:
    from boneage.tracking.store import open_existing

    return open_existing()
