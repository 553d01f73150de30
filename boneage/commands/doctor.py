"""Report what is installed, which weights are there, whether the store is sound (`doctor`), and all `licences`.

Everything is imported where it is used: the report must come also where a package is missing.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from boneage import __version__
from boneage.commands.doctor_stores import Finding, store_findings
from boneage.dependencies import dependencies, licence_table
from boneage.files import write_whole
from boneage.needs import how_to_install
from boneage.paths import project_root

_PACKAGES = (
    "gradio", "onnxruntime", "opencv-python-headless", "numpy", "pandas", "pillow", "pydicom", "pydantic",
)  # fmt: skip
_FOR_TRAINING = ("tensorflow", "keras", "mlflow", "optuna", "rembg", "onnx", "scikit-image", "scikit-learn", "scipy")
# Either brings the module `cv2`.
_INSTEAD = {"opencv-python-headless": "opencv-python"}


def doctor_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage doctor`."""
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the findings; return 1 when something will not work."""
    worst = 0
    for finding in _findings():
        print(f"{finding.state:<5} {finding.name:<22} {finding.detail}", flush=True)
        worst |= finding.state == "bad"
    print("something will not work: see the lines marked bad" if worst else "all well")
    return int(worst)


def _findings() -> Iterator[Finding]:
    yield Finding("ok", "boneage", f"{__version__} in {project_root()}")
    version = platform.python_version()
    yield Finding("ok" if sys.version_info >= (3, 11) else "bad", "python", f"{version} (3.11 or newer is needed)")
    yield from map(_package, _PACKAGES)
    yield from map(_training_package, _FOR_TRAINING)
    yield from _weights()
    yield from store_findings()


def _package(name: str) -> Finding:
    for each in (name, _INSTEAD.get(name, name)):
        with suppress(metadata.PackageNotFoundError):
            return Finding("ok", each, metadata.version(each))
    return Finding("bad", name, "not installed: run `make setup`, or pip install boneage")


def _training_package(name: str) -> Finding:
    with suppress(metadata.PackageNotFoundError):
        return Finding("ok", name, metadata.version(name))
    return Finding("note", name, f"not installed; only training needs it: {how_to_install()}")


def _weights() -> Iterator[Finding]:
    """Verify every network of the table that is here; those of others that are not are one line."""
    from boneage.weights.files import here
    from boneage.weights.table import NETWORKS, WeightsError

    absent = []
    for network in NETWORKS.values():
        try:
            path = here(network)
        except WeightsError as error:
            yield Finding("bad", network.name, str(error))
            continue
        if path is not None:
            words = f"{network.use}, {path.stat().st_size / 2**20:.1f} MiB, checksum right"
            yield Finding("ok", network.name, words)
        elif network.ships:
            yield Finding(
                "bad", network.name, f"{network.file} should lie in {network.place.parent}: reinstall boneage"
            )
        else:
            absent.append(network.name)
    if absent:
        words = f"{', '.join(absent)}: not here; `boneage weights list` says where they can come from"
        yield Finding("note", "further networks", words)


def licences_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage licences`."""
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the list as a Markdown page")
    parser.add_argument("--extra", metavar="NAME", action="append", default=[], help="with an optional group's, too")
    parser.set_defaults(run=run_licences)


def run_licences(args: argparse.Namespace) -> int:
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
