"""Compare a cascade's graph with Keras on every film of a set: the ages that both lead to, as they are served.

    python benchmarks/measure_parity.py configs/best.toml --set data.root=PATH [--films N] [--model shipped]

Each film is read, turned, framed and prepared as `boneage predict` does it; what the gate would refuse is compared,
too. Returns 1 where a film is more than 0.01 months apart, or none could be compared.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from boneage.cascade.cascade import Cascade  # noqa: E402
from boneage.cascade.parity import LARGEST_MONTHS, Films, compare_served  # noqa: E402
from boneage.commands.evaluate import evaluate_arguments, labelled  # noqa: E402
from boneage.data.annotations import read_row  # noqa: E402
from boneage.errors import BoneageError  # noqa: E402
from boneage.needs import import_keras_quietly  # noqa: E402
from boneage.pipeline import in_order  # noqa: E402
from boneage.registry.opening import open_cascade  # noqa: E402

AT_ONCE = 64


def main() -> int:
    """Compare in batches, and print the largest difference as it grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    evaluate_arguments(parser)
    parser.add_argument("--films", type=int, help="only so many, evenly spread")
    args = parser.parse_args()
    table, name, _ = labelled(args)
    if args.films:
        table = table.iloc[np.unique(np.linspace(0, len(table) - 1, args.films).astype(int))]
    served, began = open_cascade(args.model), time.perf_counter()
    by_keras = replace(served, backbone=in_keras(served))
    compared, largest, unread = 0, 0.0, 0
    for first in range(0, len(table), AT_ONCE):
        films, refused = prepared(served, table.iloc[first : first + AT_ONCE])
        found = compare_served(by_keras, served, films)
        compared, unread = compared + len(films.images), unread + refused
        largest = max(largest, found["largest_difference_months"])
        said = f"{compared} films of {name}: graph and Keras at most {largest:.6f} months apart"
        print(f"{said} ({time.perf_counter() - began:.0f} s)", flush=True)
    print(f"{unread} films could not be read or prepared; {served.model} {served.version}; wanted: {LARGEST_MONTHS:g}")
    return int(not compared or largest > LARGEST_MONTHS)


def in_keras(cascade: Cascade) -> object:
    """Open the weights that a graph runs on in Keras."""
    import_keras_quietly()
    from boneage.learn.frozen import FrozenBackbone

    return FrozenBackbone.load(cascade.backbone.weights)


def prepared(cascade: Cascade, table: pd.DataFrame) -> tuple[Films, int]:
    """Prepare a table's films as they are served; return them, and how many could not be."""

    def look(row: pd.Series) -> np.ndarray | None:
        try:
            return cascade.prepare(read_row(row), anyway=True).image
        except BoneageError:
            return None

    found = list(in_order(look, (row for _, row in table.iterrows())))
    images = [image for _, image in found if image is not None]
    return Films(np.stack(images), [row["sex"] for row, image in found if image is not None]), len(found) - len(images)


if __name__ == "__main__":
    sys.exit(main())
