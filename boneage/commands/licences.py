"""`boneage licences`: what boneage is built on, and under which terms."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from boneage.dependencies import dependencies, licence_table
from boneage.files import write_whole


def licences_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage licences`."""
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the list as a Markdown page")
    parser.add_argument("--extra", metavar="NAME", action="append", default=[], help="with an optional group's, too")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print or write the list."""
    found = dependencies(tuple(args.extra))
    if args.out:
        write_whole(args.out, licence_table(found))
        print(f"written to {args.out}")
    else:
        width = max((len(one.name) for one in found), default=0)
        for one in found:
            print(f"{one.kind:<10} {one.name:<{width}} {one.version:<14} {one.licence}")
    counts = Counter(one.kind for one in found)
    print(f"{len(found)} distributions: " + ", ".join(f"{count} {kind}" for kind, count in counts.most_common()))
    return 0
