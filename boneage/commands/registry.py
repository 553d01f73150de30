"""`boneage registry`: show what is registered, choose what answers by default, export, import, sign and verify."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from boneage.commands import registry_assemble, registry_compare
from boneage.commands.common import UsageError, add_overrides
from boneage.commands.promotion import run_promote
from boneage.errors import BoneageError
from boneage.evaluation.report import figures_table
from boneage.hospital.audit_trail import log
from boneage.registry.archive import export_version, import_shipped, import_version
from boneage.registry.champions import tenure_lines
from boneage.registry.lineage import heads_table, history, lineage, validation_metrics
from boneage.registry.packaging import CARD_FILE
from boneage.registry.promotion import rollback
from boneage.registry.versions import VersionInfo, list_versions, show, version_folder
from boneage.signing import make_keys, sign, verify
from boneage.tables import text_table
from boneage.tracking.reader import open_reader
from boneage.tracking.store import open_existing, open_store
from boneage.tracking.values import every_page

if TYPE_CHECKING:
    from mlflow import MlflowClient

_NAME = "boneage-cascade"
_ACTIONS = "{list,show,history,compare,promote,rollback,assemble,convert,export,import,keys,sign,verify}"


def registry_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage registry`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar=_ACTIONS)
    listing = actions.add_parser("list", help="every registered version")
    listing.add_argument("name", metavar="NAME", nargs="?", help="only this model (default: every cascade)")
    listing.add_argument("--all", action="store_true", help="the single heads, too")
    listing.set_defaults(run=run_list)
    _named(actions, "show", "one version: figures, heads, lineage, card", run_show, version="champion")
    _named(actions, "history", "who was champion from when to when, by whom, with which figures", run_history)
    words = "two cascades on the same images, with a verdict"
    registry_compare.compare_arguments(actions.add_parser("compare", help=words), _NAME)
    promote = _named(actions, "promote", "make a version the champion, through the gate", run_promote, "challenger")
    words = "the challenger's study, to score a champion that never saw its images"
    promote.add_argument("--config", metavar="CONFIG", help=words)
    add_overrides(promote)
    promote.add_argument("--force", metavar="REASON", help="override the gate; who did and why is kept in a tag")
    _named(actions, "rollback", "make the former champion the champion again", run_rollback)
    words = "a new cascade from chosen head versions"
    registry_assemble.assemble_arguments(actions.add_parser("assemble", help=words), _NAME)
    words = "give an older cascade a graph, so that it serves without TensorFlow"
    registry_assemble.convert_arguments(actions.add_parser("convert", help=words), _NAME)
    export = _named(actions, "export", "write a version as one archive", run_export, version="champion")
    export.add_argument("--out", metavar="PLACE", type=Path, required=True, help="a folder, or a new .zip file")
    lean = "leave out the networks that ship with every installation of this version"
    export.add_argument("--lean", action="store_true", help=lean)
    export.add_argument("--sign", metavar="FILE", type=Path, help="a secret key: sign bundle and archive")
    bring = actions.add_parser("import", help="register an exported version, or the cascade that ships with boneage")
    bring.add_argument("archive", metavar="ARCHIVE", type=Path, nargs="?")
    bring.add_argument("--shipped", action="store_true", help="the cascade that ships with boneage")
    bring.add_argument("--prefix", help="another prefix of the registered names than the archive's")
    bring.add_argument(
        "--key", metavar="FILE", type=Path, help="its maker's public key: refuse what that one did not sign"
    )
    add_signatures(actions)
    bring.set_defaults(run=run_import)


def _named(actions: Any, name: str, words: str, run: Any, version: str = "") -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=words)
    parser.add_argument("name", metavar="NAME", nargs="?", default=_NAME, help=f"default {_NAME}")
    if version:
        words = f"a number or alias (default {version})"
        parser.add_argument("--version", metavar="VERSION", default=version, help=words)
    parser.set_defaults(run=run)
    return parser


def run_list(args: argparse.Namespace) -> int:
    """Print one line per version."""
    client = open_reader()
    names = [args.name] if args.name else _names(client, heads=args.all)
    rows = [_row(info) for name in names for info in list_versions(client, name)]
    if rows:
        print(text_table(pd.DataFrame(rows)))
    else:
        what = f"as {args.name}" if args.name else "yet"
        print(f"nothing is registered {what}: `boneage registry import --shipped` registers the cascade that ships")
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print a version's figures, heads, lineage, history and card."""
    client = open_reader()
    info = show(client, args.name, args.version)
    aliases = ", ".join(info.aliases) or "no alias"
    print(f"{info.name} version {info.version} ({aliases}), {info.status}, {info.created}\nuri: {info.uri}")
    metrics = validation_metrics(client, info)
    figures = figures_table(metrics) if "images" in metrics else pd.DataFrame()
    heads = heads_table(client, info)
    sections = {
        "Figures on its validation images (months; shares of images)": text_table(figures) if len(figures) else "",
        "Heads": text_table(heads) if len(heads) else "",
        "Lineage": "\n".join(lineage(client, info)),
        "History": "\n".join(history(info)),
        "Card": full_card(client, info),
    }
    for heading, text in sections.items():
        if text:
            print(f"\n{heading}\n{text}")
    return 0


def run_history(args: argparse.Namespace) -> int:
    """Print a model's champions, a line each."""
    lines = list(tenure_lines(open_reader(), args.name))
    print("\n".join(lines) or f"no version of {args.name} was ever promoted: run `boneage registry promote`")
    return 0


def run_rollback(args: argparse.Namespace) -> int:
    """Go back to the former champion."""
    done = rollback(open_existing(), args.name)
    log("rolled back", model=args.name, version=str(done.version), beside=str(done.previous))
    print(f"{args.name} version {done.version} is the champion again, as it was before version {done.previous}")
    again = f"boneage registry promote {args.name} --version {done.previous}"
    print(f"version {done.previous} stays registered; `{again}` puts it to the gate again")
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Write a version as an archive."""
    archive = export_version(open_existing(), args.name, args.version, args.out, lean=args.lean, key=args.sign)
    beside = f"its training record in {archive.with_suffix('.json').name}" if args.lean else "its sha256"
    print(f"written to {archive}, {beside} beside it")
    if args.sign:
        print(f"signed: {archive.name}.sig beside it, and the bundle in it and in the registry")
    print(f"`boneage registry import {archive.name}` registers it on another machine")
    return 0


def run_import(args: argparse.Namespace) -> int:
    """Register an exported version or the shipped cascade."""
    if bool(args.archive) == args.shipped or (args.shipped and args.prefix):
        raise UsageError.of("call.archive_or_shipped")
    if args.key:
        if args.shipped:
            raise UsageError.of("call.key_without_archive")
        verify(args.archive, args.key)
    # Where there is no store yet, an import is what one is told to run: it makes one.
    client = open_store()
    print(import_shipped(client) if args.shipped else import_version(client, args.archive, args.prefix))
    return 0


def full_card(client: MlflowClient, info: VersionInfo) -> str:
    """Return the whole model card that lies beside a version; its description, which may be shorter, without one."""
    try:
        file = version_folder(client, info) / CARD_FILE
        return file.read_text(encoding="utf-8") if file.is_file() else info.card
    except BoneageError as error:
        return f"{info.card}\n\n({error})"


def _names(client: MlflowClient, *, heads: bool) -> list[str]:
    """List the registered models: the cascades, or all."""
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


def add_signatures(actions: Any) -> None:
    """Describe the three commands."""
    keys = actions.add_parser("keys", help="make a pair of keys: a secret one to sign with, a public one to give away")
    keys.add_argument("folder", metavar="FOLDER", type=Path)
    keys.add_argument("--name", default="boneage", help="of both files (boneage.key, boneage.pub)")
    keys.set_defaults(run=run_keys)
    for name, words, key, run in (
        ("sign", "sign an archive, or a bundle's folder", "the secret key", run_sign),
        (
            "verify",
            "check an archive or a bundle's folder by its maker's key",
            "the public key",
            run_verify,
        ),
    ):
        action = actions.add_parser(name, help=words)
        action.add_argument("path", metavar="PATH", type=Path)
        action.add_argument("--key", metavar="FILE", type=Path, required=True, help=key)
        action.set_defaults(run=run)


def run_keys(args: argparse.Namespace) -> int:
    """Make a pair of keys."""
    secret, public = make_keys(args.folder, args.name)
    print(f"{secret} signs: keep it secret, and a copy of it safe\n{public} verifies: give it to whoever imports")
    return 0


def run_sign(args: argparse.Namespace) -> int:
    """Sign an archive or a bundle."""
    print(f"written to {sign(args.path, args.key)}: pass it on beside what it signs")
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Check a signature."""
    verify(args.path, args.key)
    print(f"{args.path} is what the owner of {args.key.name} signed")
    return 0
