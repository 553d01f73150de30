"""`boneage steps`: the picture after every step from a film to what the networks see."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from boneage.commands.common import add_overrides, complain
from boneage.config import from_mapping, load_config


def add_parser(commands: Any) -> None:
    """Add the command to the parser's list."""
    parser = commands.add_parser("steps", help="write the picture after every step of preparing one radiograph")
    parser.add_argument("image", metavar="IMAGE", help="any radiograph; archive.zip!member too")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="where the pictures are written")
    parser.add_argument("--config", metavar="CONFIG", help="whose [preprocess] is shown; by default the built-in one")
    parser.add_argument("--side", choices=("L", "R"), help="which hand it is, where the file does not say")
    add_overrides(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prepare one film and write each step, and all of them side by side."""
    from boneage.data.images import read_radiograph
    from boneage.preprocess.gallery import Gallery
    from boneage.preprocess.preparer import Preparer

    config = load_config(args.config, args.overrides) if args.config else _built_in(args.overrides)
    radiograph = read_radiograph(args.image)
    gallery = Gallery()
    prepared = Preparer(config.preprocess).prepare(radiograph.pixels, args.side or radiograph.laterality, gallery.show)
    for path in gallery.write(args.out):
        print(path)
    if prepared.angle:
        print(f"turned by {prepared.angle:+.1f} degrees")
    for warning in (*radiograph.warnings, *prepared.warnings):
        complain(warning)
    return 0


def _built_in(overrides: list[str]) -> Any:
    """Return the built-in configuration with the shipped networks' crop and padding, changed as asked."""
    from boneage.config import apply_overrides

    return from_mapping(apply_overrides({"preprocess": {"crop": True, "pad": True}}, overrides))
