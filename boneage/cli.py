"""The command `boneage`: parses, runs one command, and turns every foreseen error into one sentence."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from boneage import __version__
from boneage.commands import (
    ablate,
    audit,
    data,
    doctor,
    evaluate,
    explain,
    faithfulness,
    flags,
    follow,
    gate,
    listen,
    log,
    predict,
    recalibrate,
    registry,
    steps,
    store,
    stress,
    train,
)
from boneage.commands.common import UsageError, complain, unforeseen
from boneage.config import ConfigError
from boneage.errors import BoneageError
from boneage.files import write_fault
from boneage.hospital.audit_trail import switch_on

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
_KEPT = {
    "prepare": "prepared images and features are kept",
    "train": "prepared images and features are kept, models are trained anew",
    "ablate": "prepared images and features are kept, variants are fitted anew",
    "phantom": "what was drawn is kept",
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
    args = build_parser().parse_args(argv)
    # TensorFlow's own chatter would drown the output; whoever wants it sets the variable.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        if args.audit:
            switch_on()
        return int(args.run(args))
    except (UsageError, ConfigError) as error:
        complain(str(error))
        return WRONG_USAGE
    except BrokenPipeError:
        # Whoever read our output has gone; without this Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except BoneageError as error:
        complain(str(error))
        return FAILED
    except OSError as error:
        complain(write_fault(error.filename or "a file", error) if error.errno else str(error))
        return FAILED
    except KeyboardInterrupt:
        complain(_stopped(args.command))
        return INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; no heavy import happens here."""
    parser = argparse.ArgumentParser(
        prog="boneage",
        description="Estimate skeletal age from left-hand radiographs. Research use only; not a medical device.",
    )
    parser.add_argument("--version", action="version", version=f"boneage {__version__}")
    parser.add_argument(
        "--audit", action="store_true", help="log what is answered and promoted (BONEAGE_AUDIT names the folder)"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    doctor.add_parser(commands)
    data.add_parsers(commands)
    audit.add_parser(commands)
    steps.add_parser(commands)
    train.add_parser(commands)
    predict.add_parser(commands)
    listen.add_parsers(commands)
    follow.add_parser(commands)
    log.add_parser(commands)
    evaluate.add_parser(commands)
    registry.add_parser(commands)
    store.add_parser(commands)
    flags.add_parser(commands)
    gate.add_parser(commands)
    ablate.add_parser(commands)
    stress.add_parser(commands)
    recalibrate.add_parser(commands)
    explain.add_parsers(commands)
    faithfulness.add_parser(commands)
    return parser


def _stopped(command: str) -> str:
    if command in _KEPT:
        return f"stopped; {_KEPT[command]}: give the same command again to continue"
    return "stopped; nothing was changed: give the same command again to start over"


if __name__ == "__main__":
    sys.exit(main())
