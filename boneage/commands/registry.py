"""`boneage registry`: what is registered, what answers by default, and how that changes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.commands.common import UsageError, add_overrides
from boneage.config import load_config

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from boneage.tracking.promotion import Promotion
    from boneage.tracking.versions import VersionInfo

DEFAULT_NAME = "boneage-cascade"


def add_parser(commands: Any) -> None:
    """Add the command to the parser's list."""
    parser = commands.add_parser("registry", help="list, show, compare, promote, roll back, export and import cascades")
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="{list,show,compare,promote,rollback,export,import}"
    )
    listing = actions.add_parser("list", help="every registered version")
    listing.add_argument("name", metavar="NAME", nargs="?", help="only this model (default: every cascade)")
    listing.add_argument("--all", action="store_true", help="the single heads, too")
    listing.set_defaults(run=run_list)
    _named(actions, "show", "one version: card, figures, heads", run_show, version="champion")
    compare = _named(actions, "compare", "two versions on the same validation images", run_compare)
    compare.add_argument("--versions", nargs=2, metavar=("FIRST", "SECOND"), default=("challenger", "champion"))
    promote = _named(actions, "promote", "make a version the champion, through the gate", run_promote, "challenger")
    promote.add_argument(
        "--config", metavar="CONFIG", help="the challenger's study, to score a champion that never saw its images"
    )
    add_overrides(promote)
    promote.add_argument("--force", metavar="REASON", help="override the gate; who did and why is kept in a tag")
    _named(actions, "rollback", "make the former champion the champion again", run_rollback)
    export = _named(actions, "export", "write a version as one archive", run_export, version="champion")
    export.add_argument("--out", metavar="PLACE", type=Path, required=True, help="a folder, or a new .zip file")
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


def run_list(args: argparse.Namespace) -> int:
    """Print one line per version."""
    import pandas as pd

    from boneage.cascade.report import text_table
    from boneage.tracking.registry import list_versions

    client = _client()
    names = [args.name] if args.name else _names(client, heads=args.all)
    rows = [_row(info) for name in names for info in list_versions(client, name)]
    if not rows:
        what = f"as {args.name}" if args.name else "yet"
        print(f"nothing is registered {what}: `make study` (or `python -m tuning CONFIG`) makes a first version")
        return 0
    print(text_table(pd.DataFrame(rows)))
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print what is known of one version."""
    from boneage.tracking.registry import show

    info = show(_client(), args.name, args.version)
    aliases = ", ".join(info.aliases) or "no alias"
    print(f"{info.name} version {info.version} ({aliases}), {info.status}, {info.created}")
    print(f"uri: {info.uri}\nrun: {info.run_id or 'unknown'}")
    for name, value in sorted(info.tags.items()):
        print(f"{name}: {value}")
    if info.card:
        print(f"\n{info.card}")
    return 0


def run_compare(args: argparse.Namespace) -> int:
    """Print two versions' errors on the first one's validation images."""
    from boneage.tracking.registry import compare, show

    client = _client()
    first, second = (show(client, args.name, version) for version in args.versions)
    found = compare(client, first, second)
    print(f"{found.images} validation images of version {first.version}, cascade MAE in months")
    print(f"version {first.version:<4} {found.first_mae_months:.3f}  ({', '.join(first.aliases) or 'no alias'})")
    print(f"version {second.version:<4} {found.second_mae_months:.3f}  ({', '.join(second.aliases) or 'no alias'})")
    interval = f"95 % interval {found.low_months:+.3f} to {found.high_months:+.3f}"
    print(f"difference   {found.difference_months:+.3f}  ({interval}; negative: version {first.version} is better)")
    return 0


def run_promote(args: argparse.Namespace) -> int:
    """Promote through the gate; a refusal ends with status 1 and its reason."""
    if args.overrides and not args.config:
        raise UsageError("--set belongs to --config CONFIG, which was not given")
    config = load_config(args.config, args.overrides) if args.config else None
    from boneage.commands.rescore import rescorer
    from boneage.tracking.registry import promote

    client = _client()
    rescore = rescorer(client, config) if config else None
    _say(args.name, promote(client, args.name, args.version, rescore=rescore, force_reason=args.force))
    return 0


def run_rollback(args: argparse.Namespace) -> int:
    """Go back to the former champion."""
    from boneage.tracking.registry import rollback

    _say(args.name, rollback(_client(), args.name))
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Write a version as an archive."""
    from boneage.tracking.exchange import export_version

    archive = export_version(_client(), args.name, args.version, args.out)
    print(f"written to {archive}; `boneage registry import {archive}` registers it elsewhere")
    return 0


def run_import(args: argparse.Namespace) -> int:
    """Register an exported version or the shipped cascade."""
    if bool(args.archive) == args.shipped or (args.shipped and args.prefix):
        raise UsageError("import wants either the ARCHIVE of an exported version, or --shipped alone")
    from boneage.tracking.exchange import import_shipped, import_version

    client = _client()
    print(import_shipped(client) if args.shipped else import_version(client, args.archive, args.prefix))
    return 0


def _client() -> MlflowClient:
    from boneage.tracking.store import open_existing

    return open_existing()


def _names(client: MlflowClient, *, heads: bool) -> list[str]:
    """List the registered models: the cascades, or all."""
    from boneage.tracking.values import every_page

    found = every_page(lambda token: client.search_registered_models(page_token=token))
    return sorted(model.name for model in found if heads or model.name.endswith("-cascade"))


def _row(info: VersionInfo) -> dict[str, object]:
    return {
        "model": info.name,
        "version": info.version,
        "aliases": ", ".join(info.aliases),
        "status": info.status,
        "validation MAE": info.mae_months,
        "study": info.tags.get("study", ""),
        "created": info.created,
    }


def _say(name: str, promotion: Promotion) -> None:
    print(f"{name} version {promotion.version} is the champion: {promotion.verdict.reason}")
    if promotion.previous not in (None, promotion.version):
        print(f"the champion before was version {promotion.previous}; `boneage registry rollback {name}` goes back")
    if promotion.forced:
        print("the gate was overridden; who did and why is kept in the version's tags")
