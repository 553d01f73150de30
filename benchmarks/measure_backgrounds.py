"""How well mask networks find the hand as it is prepared from their masks, and how often their masks are in doubt.

    python benchmarks/measure_backgrounds.py DATA [--networks handmask u2net] [--films 64]

The networks must be here (`boneage weights fetch u2net`). Overlap (IoU) of the hand that is kept, after the one object
was selected, with readers' outlines of 25 films that handmask was not trained on, at 1024 and 299 px as far as both are
there. A doubtful mask is one that the preparation warns of. The films for the share of doubtful masks are of the
validation children, as many of each sex and age group (seed 26); on them each network's hand is compared with the first
network's, too, which shows hands that were cut where no mask looked doubtful.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from boneage.config import PreprocessConfig
from boneage.groups import AGE_GROUPS
from boneage.paths import assets
from boneage.preprocess.preparer import Prepared, Preparer
from boneage.pretrain import outlines, sources

SEED = 26


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--networks", nargs="+", default=["handmask", "u2net"])
    parser.add_argument("--films", type=int, default=64, help="films for the share of doubtful masks (default 64)")
    args = parser.parse_args()
    films = stratified(args.data, args.films)
    sizes, hands = sources.image_sizes(args.data), dict[str, list[np.ndarray]]()
    for name in args.networks:
        preparer = Preparer(PreprocessConfig(background=name), threads=1)
        for large in (True, False):
            say_overlap(args.data, name, preparer, large)
        spent, codes = time.process_time(), Counter[str]()
        for film in films:
            prepared = preparer.prepare(sources.read_film(args.data, sources.Film(film, False), sizes))
            codes.update([codes_of(prepared)])
            hands.setdefault(name, []).append(prepared.mask)
        seconds = (time.process_time() - spent) / len(films)
        doubtful = len(films) - codes["certain"]
        print(
            f"{name}: {doubtful} of {len(films)} masks of validation films at 299 px in doubt "
            f"({doubtful / len(films):.1%}): {dict(codes)}; {seconds:.2f} s of one core a film",
            flush=True,
        )
    for name in args.networks[1:]:
        say_agreement(args.networks[0], name, hands)
    return 0


def say_agreement(first: str, other: str, hands: dict[str, list[np.ndarray]]) -> None:
    """Print how far two networks' hands overlap on the same films."""
    values = np.array([overlap(one, two) for one, two in zip(hands[first], hands[other], strict=True)])
    print(
        f"{other} against {first} on {len(values)} validation films: IoU median {np.median(values):.4f}, below 0.9 on "
        f"{np.sum(values < 0.9)}, below 0.7 on {np.sum(values < 0.7)}",
        flush=True,
    )


def stratified(data: Path, count: int) -> list[str]:
    """Draw validation children, as many of each sex and age group."""
    table, wanted = sources.children(data), sources.validation_ids(data)
    rng, chosen = np.random.default_rng(SEED), []
    each = -(-count // (2 * len(AGE_GROUPS)))
    for male in (0, 1):
        for group in AGE_GROUPS:
            own = (child.id for child in table.values() if child.id in wanted and child.stratum == (male, group.number))
            ids = sorted(own, key=int)
            chosen += [str(name) for name in rng.permutation(ids)[:each]]
    return chosen


def say_overlap(data: Path, name: str, preparer: Preparer, large: bool) -> None:
    record = json.loads((assets() / "handmask.json").read_text(encoding="utf-8"))["data"]
    ids = [*record["validation_ids"], *([] if large else record["withheld_ids"])]
    found, doubtful = {}, 0
    for film in outlines.load_outlined(data, ids, large=large):
        prepared = preparer.prepare(film.image)
        doubtful += bool(prepared.warnings)
        found[film.name] = overlap(prepared.mask, film.mask >= 128)
    values, worst = np.array(list(found.values())), min(found, key=lambda key: found[key])
    print(
        f"{name}: {len(found)} outlines at {1024 if large else 299} px: IoU mean {values.mean():.4f}, median "
        f"{np.median(values):.4f}, worst {found[worst]:.4f} ({worst}), {np.sum(values < 0.9)} below 0.9; "
        f"{doubtful} in doubt",
        flush=True,
    )


def codes_of(prepared: Prepared) -> str:
    return ", ".join(getattr(each, "code", str(each)) for each in prepared.warnings) or "certain"


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    """Return intersection over union of two boolean masks."""
    return float(np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth))


if __name__ == "__main__":
    sys.exit(main())
