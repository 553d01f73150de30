"""Share what several commands need: arguments, a cascade by its URI, progress bars, sentences for the user."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from boneage import __version__
from boneage.cascade.estimate import RESEARCH_NOTICE
from boneage.config import ConfigError
from boneage.databases import disk_fault
from boneage.errors import BoneageError
from boneage.files import write_fault
from boneage.groups import RANGE_LABELS, Sex
from boneage.needs import import_keras_quietly as import_keras_quietly
from boneage.needs import missing_part
from boneage.notices import note, warning

if TYPE_CHECKING:
    from boneage.cascade.cascade import Cascade

Progress = Callable[[int, int], None]
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


class UsageError(BoneageError):
    """Arguments that do not go together; the exit status is 2."""


def open_cascade(uri: str | None) -> Cascade:
    """Open a cascade as `boneage.registry.opening`, and say so where the one that ships stands in for a champion."""
    from boneage.registry.opening import SHIPPED, default_uri, open_cascade

    chosen = default_uri() if uri is None else uri
    if uri is None and chosen == SHIPPED:
        complain(note("model.shipped", version=__version__))
    return open_cascade(chosen)


def stage(name: str) -> Progress:
    """Return the progress callable of a named stage: a bar on stderr, nothing where stderr is no terminal."""
    from tqdm import tqdm

    bars: list[Any] = []

    def progress(done: int, total: int) -> None:
        if not bars:
            bars.append(tqdm(total=total, desc=name, unit="image", file=sys.stderr, disable=None))
        bar = bars[0]
        bar.total = total
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return progress


def hard_line(months: float) -> str:
    """Say hard routing's age in a sentence."""
    return f"hard routing, as in the paper, gives {months:.1f} months"


def region_line(ages: Sequence[Mapping[str, Any]]) -> str:
    """Say the ages of the hand's regions, with their intervals where these are known, in one line."""
    said = []
    for one in ages:
        low, high = one["low_months"], one["high_months"]
        interval = "" if low is None else f" ({low:.0f} to {high:.0f})"
        said.append(f"{one['region'].replace('_', ' ')} {one['bone_age_months']:.0f}{interval}")
    return f"regions, months: {', '.join(said)}"


def reason_lines(record: Mapping[str, Any]) -> list[str]:
    """Say hard routing's age, the experts and the similar cases of a record for people, a line each."""
    hard = record["hard_months"]
    lines = [] if hard is None else [hard_line(hard)]
    lines += [
        f"expert {one['range']:<8} weight {one['weight']:.0%}, says {one['months']:.1f} months"
        for one in record["experts"]
    ]
    return lines + [
        f"similar case {one['id']}: {one['age_months']:.0f} months (likeness {one['likeness']:.2f})"
        for one in record["similar_cases"]
    ]


def notice(stream: Any = None) -> None:
    """Print the research-use notice; to stderr where stdout must stay parseable."""
    print(RESEARCH_NOTICE, file=stream or sys.stdout)


def complain(sentence: str | Exception) -> None:
    """Print one sentence for the user on stderr."""
    print(f"boneage: {sentence}", file=sys.stderr)


def exit_status(command: Callable[[], int], stopped: str) -> int:
    """Run a command and return its exit status; every foreseen error is said in one sentence on stderr.

    Args:
        command: what is run; it returns 0, or 1 where something failed.
        stopped: what is said after Ctrl-C.

    Returns:
        0 all well, 1 something failed, 2 wrong usage, 130 interrupted.
    """
    # TensorFlow's own chatter would drown the output; whoever wants it sets the variable.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return command()
    except (UsageError, ConfigError) as error:
        complain(error)
        return WRONG_USAGE
    except BrokenPipeError:
        # Whoever read our output has gone; without this Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except BoneageError as error:
        complain(error)
    except OSError as error:
        complain(write_fault(error.filename or "a file", error) if error.errno else error)
    except ModuleNotFoundError as error:
        missing = missing_part(error)
        if missing is None:
            raise
        complain(missing)
    except KeyboardInterrupt:
        complain(stopped)
        return INTERRUPTED
    return FAILED


def unforeseen(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say in a sentence what nobody foresaw; whoever looks for the fault sets BONEAGE_TRACEBACK=1."""
    if os.environ.get("BONEAGE_TRACEBACK"):
        sys.__excepthook__(kind, error, trace)
        return
    first = (str(error).strip().splitlines() or ["no message"])[0]
    known = disk_fault(error)
    if known is not None:
        complain(known)
        return
    complain(warning("program.unforeseen", kind=kind.__name__, first=first))


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add `--set section.key=value`, which a command with a CONFIG takes."""
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="section.key=value",
        action="append",
        default=[],
        help="change one setting of the configuration (may be given several times)",
    )


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add CONFIG and `--set`."""
    parser.add_argument("config", metavar="CONFIG")
    add_overrides(parser)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add `--model URI`."""
    parser.add_argument(
        "--model",
        metavar="URI",
        help="models:/NAME@ALIAS, models:/NAME/VERSION, a bundle's folder, or `shipped` "
        "(default: the store's champion, else the cascade that ships)",
    )


def add_patient(parser: argparse.ArgumentParser, **sex: Any) -> None:
    """Add `--sex` (further details in `sex`) and `--range`."""
    parser.add_argument("--sex", choices=[str(one) for one in Sex], **sex)
    parser.add_argument("--range", dest="age_range", choices=RANGE_LABELS, help="known age range; skips the classifier")
