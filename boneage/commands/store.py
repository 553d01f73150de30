"""`boneage store`: make the tracking store, or repair it after its folder was moved."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command to the parser's list."""
    parser = commands.add_parser("store", help="make the tracking store, or repair it after a move")
    actions = parser.add_subparsers(dest="action", required=True, metavar="{init,relocate}")
    actions.add_parser("init", help="make the store where it is missing").set_defaults(run=run_init)
    relocate = actions.add_parser("relocate", help="rewrite the artifact locations after mlruns/ was moved")
    relocate.add_argument("folder", metavar="FOLDER", type=Path, nargs="?", help="where mlruns/ is now (default: here)")
    relocate.set_defaults(run=run_relocate)


def run_init(args: argparse.Namespace) -> int:
    """Make the store, or say that it is there."""
    from boneage.databases import masked, sqlite_file
    from boneage.tracking.store import open_store, store_exists, store_uri

    there = store_exists() and sqlite_file(store_uri()) is not None
    open_store()
    print(f"the store {masked(store_uri())} {'is there already' if there else 'is ready'}")
    return 0


def run_relocate(args: argparse.Namespace) -> int:
    """Rewrite locations and say how many changed."""
    from boneage.tracking.store import relocate

    changed = relocate(args.folder)
    for place, count in changed.items():
        print(f"{place}: {count} rewritten")
    if not any(changed.values()):
        print("nothing had moved")
    return 0
