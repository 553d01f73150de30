"""`boneage store` and `flags`: make or repair the tracking store; list, check or export saved cases."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boneage.commands.common import complain, stage
from boneage.data.flag_check import FAR_MONTHS, check_flags
from boneage.data.flags import FlagStore
from boneage.databases import masked, sqlite_file
from boneage.files import write_whole
from boneage.notices import warning
from boneage.paths import project_root
from boneage.tables import text_table
from boneage.tracking.store import open_store, relocate, store_exists, store_uri

_KEY_DIGITS = 12
_SHOWN = "text-found"


def store_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage store`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="{init,relocate}")
    actions.add_parser("init", help="make the store where it is missing").set_defaults(run=run_init)
    moved = actions.add_parser("relocate", help="rewrite the artifact locations after mlruns/ was moved")
    moved.add_argument("folder", metavar="FOLDER", type=Path, nargs="?", help="where mlruns/ is now (default: here)")
    moved.set_defaults(run=run_relocate)


def flags_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage flags`."""
    parser.add_argument("--folder", type=Path, help="the flag store (default: flagged/ of the project)")
    actions = parser.add_subparsers(dest="action", required=True, metavar="{list,history,check,export}")
    actions.add_parser("list", help="print the table of saved cases").set_defaults(run=run_list)
    history = actions.add_parser("history", help="print every saving, also of cases that were saved again")
    film = "only this film, by the first digits of its name"
    history.add_argument("film", metavar="FILM", nargs="?", default="", help=film)
    history.set_defaults(run=run_history)
    check = actions.add_parser("check", help="list cases whose reading may be another film's, and lost films")
    check.set_defaults(run=run_check)
    export = actions.add_parser("export", help="write images and table in the RSNA layout")
    export.add_argument("out", metavar="OUT", type=Path)
    words = "what is done with text burned into films: show it first (default), black it out, or keep it"
    export.add_argument("--text", choices=("show", "black-out", "keep"), default="show", help=words)
    export.set_defaults(run=run_export)


def run_init(args: argparse.Namespace) -> int:
    """Make the store, or say that it is there."""
    there = store_exists() and sqlite_file(store_uri()) is not None
    open_store()
    print(f"the store {masked(store_uri())} {'is there already' if there else 'is ready'}")
    return 0


def run_relocate(args: argparse.Namespace) -> int:
    """Rewrite locations and say how many changed."""
    changed = relocate(args.folder)
    for place, count in changed.items():
        print(f"{place}: {count} rewritten")
    if not any(changed.values()):
        print("nothing had moved")
    return 0


def run_list(args: argparse.Namespace) -> int:
    """Print the saved cases."""
    records = _flags(args).records().drop(columns="key")
    print(text_table(records) if len(records) else "no case has been saved yet; the page saves one with its button")
    return 0


def run_history(args: argparse.Namespace) -> int:
    """Print every saving of all films or of one, in their order."""
    history = _flags(args).history().drop(columns="image")
    history = history[history["sha256"].str.startswith(args.film)]
    history["key"] = history["key"].str[:_KEY_DIGITS]
    print(text_table(history) if len(history) else "nothing is noted: no such case, or saved before a history was kept")
    return 0


def run_check(args: argparse.Namespace) -> int:
    """Print the doubtful cases; return 1 where there are any."""
    store = _flags(args)
    doubts = check_flags(store, stage("checking films"))
    for doubt in doubts:
        print(f"{doubt.sha256}\n  {doubt.sentence}")
    records = store.records()
    old = int(((records["key"] == "") & records["reader_age_months"].notna()).sum())
    print(f"{len(records)} cases, {len({doubt.sha256 for doubt in doubts})} of them doubtful")
    if old:
        print(
            f"{old} readings were saved without the estimate's key, as all were before estimates had keys: one that "
            f"lies within {FAR_MONTHS:g} months of its estimate may still be another film's"
        )
    return int(bool(doubts))


def run_export(args: argparse.Namespace) -> int:
    """Write the saved cases as a source that a configuration can name; films with names on them are shown first."""
    store = _flags(args)
    films = {} if args.text == "keep" else _without_text(store, args.out)
    if films and args.text == "show":
        complain(
            f"text was found on {len(films)} films: look at the pictures in {args.out / _SHOWN}, then give "
            "--text black-out, or --text keep where it names nobody; nothing was exported"
        )
        return 1
    store.export(args.out, films)
    print(f'written to {args.out}; name it in a configuration as a source with layout = "rsna"')
    doubtful = len({doubt.sha256 for doubt in check_flags(store)})
    if doubtful:
        complain(warning("flags.doubtful", count=doubtful))
    return 0


def _without_text(store: FlagStore, out: Path) -> dict[str, NDArray[np.uint8]]:
    """Return the films with text, by hash, without it; each is shown in a picture in `out`."""
    from boneage.hospital.deidentify import encoded_png, installed, look, preview

    if not installed():
        complain(
            "text burned into the films was not looked for: install the extra `deidentify` "
            "(boneage[deidentify]), or look at every film yourself"
        )
        return {}
    found = {}
    for name in store.records()["sha256"]:
        film = store.pixels(name)
        cleaned = look(film)
        if cleaned is None or not cleaned.texts:
            continue
        found[name] = cleaned.film
        write_whole(out / _SHOWN / f"{name}.png", encoded_png(preview(film, cleaned)))
        if cleaned.over_the_hand:
            complain(f"{name}: {cleaned.over_the_hand} texts reach over the hand and stay there in part: look at it")
    return found


def _flags(args: argparse.Namespace) -> FlagStore:
    return FlagStore(args.folder or project_root() / "flagged")
