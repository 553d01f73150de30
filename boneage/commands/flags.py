"""`boneage flags`: the cases that readers saved on the page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from boneage.paths import project_root


def add_parser(commands: Any) -> None:
    """Add the command to the parser's list."""
    parser = commands.add_parser("flags", help="list saved cases, or export them as a source for training")
    parser.add_argument("--folder", type=Path, help="the flag store (default: flagged/ of the project)")
    actions = parser.add_subparsers(dest="action", required=True, metavar="{list,export}")
    actions.add_parser("list", help="print the table of saved cases").set_defaults(run=run_list)
    export = actions.add_parser("export", help="write images and table in the RSNA layout")
    export.add_argument("out", metavar="OUT", type=Path)
    export.set_defaults(run=run_export)


def run_list(args: argparse.Namespace) -> int:
    """Print the saved cases."""
    from boneage.evaluation.text import text_table

    records = _store(args).records()
    print(text_table(records) if len(records) else "no case has been saved yet; the page saves one with its button")
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Write the saved cases as a source that a configuration can name."""
    _store(args).export(args.out)
    print(f'written to {args.out}; name it in a configuration as a source with layout = "rsna"')
    return 0


def _store(args: argparse.Namespace) -> Any:
    from boneage.data.flags import FlagStore

    return FlagStore(args.folder or project_root() / "flagged")
