"""The command line `boneage`: parse, run one command, and turn every foreseen error into one sentence."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from boneage import __version__
from boneage.commands.common import exit_status, unforeseen
from boneage.hospital.audit_trail import switch_on

# Each command: the module of `boneage.commands` whose function `<command>_arguments` describes it, and its help.
_COMMANDS = {
    "doctor": ("doctor", "what is installed, which weights are there, is the store sound"),
    "weights": ("weights", "list the published networks, fetch one, or add its file"),
    "phantom": ("data", "draw simulated hand radiographs with known age and sex"),
    "prepare": ("data", "preprocess a study's images and compute their features (resumable)"),
    "audit": ("audit", "count images, and list unreadable files, duplicates and leaks"),
    "steps": ("data", "write the picture after every step of preparing one radiograph"),
    "train": ("train", "run a study with fixed hyperparameters (the search: python -m tuning)"),
    "compare-backbones": ("backbones", "the same films, heads and folds over several backbones: error against cost"),
    "predict": ("predict", "estimate the bone age of radiographs"),
    "page": ("page", "open the page, as `python app.py` does in a checkout"),
    "listen": ("listen", "receive films by DICOM, estimate them and send results on"),
    "watch": ("listen", "estimate the DICOM films that appear in a folder"),
    "follow": ("follow", "follow one child over several films"),
    "log": ("log", "check the audit log"),
    "drift": ("drift", "compare a period's films with another period or the model's images"),
    "deidentify": ("deidentify", "find names burned into films, show them, and write films without them"),
    "evaluate": ("evaluate", "score a cascade on labelled images, beside the paper's figures"),
    "registry": (
        "registry",
        "list, show, history, compare, promote, roll back, assemble, convert, export, import, sign",
    ),
    "store": ("stores", "make the tracking store, or repair it after a move"),
    "flags": ("stores", "list and check saved cases, or export them as a source for training"),
    "licences": ("doctor", "list the licence of every distribution that boneage is built on"),
    "gate": ("gate", "fit or measure the gate that refuses what is no usable hand film"),
    "ablate": ("ablate", "measure every idea beyond the paper, one by one and together"),
    "methods": ("methods", "the methods of a store's studies side by side, beside their papers' figures"),
    "stress": ("stress", "how the estimates bear turned, cropped, noisy, inverted films"),
    "recalibrate": ("recalibrate", "correct a registered cascade for one's own site"),
    "explain": ("explain", "where one estimate comes from: heat maps, experts, similar cases"),
    "cases": ("explain", "index a study's training cases by their features, for `boneage explain`"),
    "faithfulness": (
        "explain",
        "does deleting a heat map's hottest regions move the estimate more than deleting random ones?",
    ),
}
_KEPT = {
    "prepare": "prepared images and features are kept",
    "train": "prepared images and features are kept, models are trained anew",
    "compare-backbones": "prepared images and features are kept, heads are fitted anew",
    "ablate": "prepared images and features are kept, variants are fitted anew",
    "phantom": "what was drawn is kept",
    "weights": "what an address sent is kept",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments without the program's name; None takes them from the process.

    Returns:
        The exit status: 0 all well, 1 something failed, 2 wrong usage, 130 interrupted.
    """
    if argv is None:
        sys.excepthook = unforeseen
        argv = sys.argv[1:]
    name = next((word for word in argv if not word.startswith("-")), "")

    def command() -> int:
        args = build_parser(name).parse_args(argv)
        if args.audit:
            switch_on()
        return int(args.run(args))

    return exit_status(command, _stopped(name))


def build_parser(command: str) -> argparse.ArgumentParser:
    """Return the parser that lists every command and knows the arguments of one, whose module alone is imported."""
    parser = argparse.ArgumentParser(
        prog="boneage",
        description="Estimate skeletal age from left-hand radiographs. Research use only; not a medical device.",
    )
    parser.add_argument("--version", action="version", version=f"boneage {__version__}")
    parser.add_argument(
        "--audit", action="store_true", help="log what is answered and promoted (BONEAGE_AUDIT names the folder)"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, words) in _COMMANDS.items():
        added = commands.add_parser(name, help=words)
        if name == command:
            getattr(import_module(f"boneage.commands.{module}"), f"{name.replace('-', '_')}_arguments")(added)
    return parser


def _stopped(command: str) -> str:
    if command in _KEPT:
        return f"stopped; {_KEPT[command]}: give the same command again to continue"
    return "stopped; nothing was changed: give the same command again to start over"


if __name__ == "__main__":
    sys.exit(main())
