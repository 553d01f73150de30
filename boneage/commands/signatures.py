"""`boneage registry keys`, `sign` and `verify`: say whose an archive or a bundle is, and that it was not changed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from boneage.signing import make_keys, sign, verify


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
