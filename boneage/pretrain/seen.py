"""List the films that the backbone was trained on, by the hash of their pixels, for `boneage.learn.seen_images`.

A figure on features of such films looks better than it is, so runs say how many of their images are on this list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from boneage.config import SourceConfig
from boneage.data.annotations import load_source, read_row
from boneage.data.flags import pixels_sha256
from boneage.learn.seen_images import SEEN_FILE, save_seen
from boneage.pretrain import sources
from boneage.shipped import write_record

EVERY = 1000


def write_seen(data: Path, out: Path, *, progress: Callable[[str], None] = lambda line: None) -> Path:
    """Hash every film of the children that the backbone learnt from, as a study reads it, and write the list.

    Args:
        data: The folder with the radiographs' zips and tables.
        out: Where the list and its record go.
        progress: Called with a line of text now and then.

    Returns:
        The list's path.
    """
    out.mkdir(parents=True, exist_ok=True)
    trained = trained_ids(data)
    hashes = set()
    for number, content in enumerate(_hashes(data, trained), start=1):
        hashes.add(content)
        if number % EVERY == 0:
            progress(f"hashed {number} films")
    path = save_seen(hashes, out / SEEN_FILE)
    write_record(
        path,
        {
            "content": "first 64 bits of the sha256 of the decoded pixels of every film the backbone was trained on",
            "films": len(hashes),
            "children": len(trained),
            "ids_sha256": sources.ids_sha256(trained),
            "command": "python -m boneage.pretrain seen DATA --out DIR",
        },
    )
    return path


def trained_ids(data: Path) -> frozenset[str]:
    """Return the children that the backbone learnt from: neither validation nor kept away from it."""
    table, never = sources.children(data), sources.validation_ids(data)
    return frozenset(table) - never - sources.unseen_ids(table, never)


def _hashes(data: Path, trained: frozenset[str]) -> Iterator[str]:
    for archive in (sources.LARGE_ZIP, sources.SMALL_ZIP):
        source = SourceConfig(
            name="rsna",
            layout="rsna",
            path="boneage-training-dataset.csv",
            images=(archive,),
            sizes="image_sizes.csv",
            only_with_images_in=archive,
        )
        table = load_source(source, data).table
        for _, row in table[table["id"].isin(trained)].iterrows():
            yield pixels_sha256(read_row(row))
