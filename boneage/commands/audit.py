"""`boneage audit`: list what is wrong with a study's images, as a table, JSON and an HTML page."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from boneage.audit.audit import Audit, Collection, audit, collect_folder, collect_study
from boneage.audit.labels import heaping, problem_counts, sizes
from boneage.audit.page import page
from boneage.commands.common import UsageError, add_overrides, complain, stage
from boneage.config import load_config
from boneage.data.annotations import audit_counts
from boneage.files import write_whole
from boneage.notices import warning
from boneage.study.materials import resolve_sources
from boneage.tables import text_table

_SHOWN = 20


def audit_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage audit`."""
    parser.add_argument("data", metavar="CONFIG", help="a study's CONFIG.toml, or a folder or table of labelled images")
    parser.add_argument("--out", type=Path, metavar="CSV", help="write all problems to this file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found; - for stdout alone")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one page with plots, films (keep it private)")
    parser.add_argument("--labels-only", action="store_true", help="do not read the films: quick, finds no duplicates")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; by default one per core")
    add_overrides(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Audit; the exit status is 1 when a film is in two of training, validation and test."""
    found = audit(_collect(args), stage, args.labels_only, args.workers)
    if args.json == Path("-"):
        print(json.dumps(found.to_json(), indent=1))
    else:
        _show(found)
    _write(found, args)
    if found.leaks:
        complain(warning("audit.leaks", count=len(found.leaks)))
    return 1 if found.leaks else 0


def _collect(args: argparse.Namespace) -> Collection:
    if Path(args.data).suffix.lower() != ".toml":
        if args.overrides:
            raise UsageError.of("call.set_of_data", data=args.data)
        return collect_folder(Path(args.data))
    return collect_study(resolve_sources(load_config(args.data, args.overrides), stage))


def _show(found: Audit) -> None:
    """Print the figures."""
    for source, layout in found.layouts.items():
        print(f"{source}: {layout} layout")
    figures = [audit_counts(found.table), heaping(found.table), *([sizes(found.table)] if found.films_read else [])]
    print("\n\n".join(map(text_table, figures)))
    sets = ", ".join(f"{count} {name}" for name, count in found.table["set"].value_counts().items() if name)
    print(f"\n{len(found.table)} usable images" + (f" ({sets})" if sets else ""))
    for kind, count in problem_counts(found.problems).items():
        print(f"{count} x {kind}")
    if len(found.problems):
        print(text_table(found.problems.head(_SHOWN)))
    _say_rest(len(found.problems), "problems")
    if found.films_read:
        print(f"{len(found.pairs)} pairs of rows show the same film, {len(found.leaks)} of them in different sets")
    for pair in found.pairs[:_SHOWN]:
        print(f"  {pair.sentence()}")
    _say_rest(len(found.pairs), "pairs")


def _say_rest(count: int, what: str) -> None:
    if count > _SHOWN:
        print(f"... and {count - _SHOWN} more {what}; --json FILE writes all of them")


def _write(found: Audit, args: argparse.Namespace) -> None:
    """Write the files that were asked for; each appears whole or not at all."""
    if args.out:
        write_whole(args.out, found.problems.to_csv(index=False))
    if args.json and args.json != Path("-"):
        write_whole(args.json, json.dumps(found.to_json(), indent=1) + "\n")
    if args.html:
        write_whole(args.html, page(found, str(args.data)))
        print(f"{args.html} shows films of patients: keep it on this machine")
