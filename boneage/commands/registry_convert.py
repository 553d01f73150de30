"""`boneage registry convert`: register an older cascade again with a graph that serves without TensorFlow."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from boneage.commands.common import notice
from boneage.errors import BoneageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

_MOST_FILMS = 2000


def convert_arguments(parser: argparse.ArgumentParser, default_name: str) -> None:
    """Describe `boneage registry convert`."""
    parser.add_argument("name", metavar="NAME", nargs="?", default=default_name, help=f"default {default_name}")
    parser.add_argument("--version", default="champion", help="a number or alias (default champion)")
    words = "labelled images to compare graph and Keras on (default: drawn hands)"
    parser.add_argument("--films", metavar="DATA", type=Path, help=words)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert, register, and say how far the graph and Keras are apart."""
    from boneage.registry.convert import convert_version
    from boneage.registry.versions import show
    from boneage.tracking.store import open_existing

    client = open_existing()
    info = show(client, args.name, args.version)
    version = convert_version(client, info, None if args.films is None else _films(args.films))
    tags = show(client, args.name, version).tags
    print(f"{args.name} version {version}: version {info.version} with a graph that serves without TensorFlow")
    apart, films = tags["graph_largest_difference_months"], tags["graph_films"]
    print(f"its ages and those of Keras are at most {apart} months apart on {films} films")
    print(f"registered as challenger; `boneage registry promote {args.name}` makes it the champion")
    notice()
    return 0


def _films(data: Path) -> Iterator[tuple[np.ndarray, str]]:
    from boneage.data.annotations import load_folder, read_row

    table = load_folder(data).table
    if table.empty:
        raise BoneageError.of("data.no_labelled_image", name=data)
    # One after the other: originals of a whole set would not fit into memory at once.
    return ((read_row(row), str(row["sex"])) for _, row in table.head(_MOST_FILMS).iterrows())
