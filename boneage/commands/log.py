"""`boneage log verify`: walk the audit log's chain and say whether anything was changed."""

from __future__ import annotations

import argparse
from pathlib import Path

from boneage.hospital.audit_trail import Trail, default_folder


def log_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage log`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="{verify}")
    verify = actions.add_parser("verify", help="walk the chain; end with 1 at the first line that was changed")
    verify.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="of the log; the project's by default")
    verify.set_defaults(run=run_verify)


def run_verify(args: argparse.Namespace) -> int:
    """Print how many lines hold, and the newest hash."""
    folder = args.folder or default_folder()
    if not folder.is_dir():
        print(f"there is no audit log in {folder}: nothing was logged (boneage --audit COMMAND logs)")
        return 0
    found = Trail(folder).check()
    print(f"{found.lines} lines in {found.files} files hold, {found.first_time or '-'} to {found.last_time or '-'}")
    print(f"newest hash {found.last} (note it elsewhere: only that shows a log that was replaced as a whole)")
    return 0
