"""Write a data set of phantoms in the layout of the RSNA training set, drawn in parallel and resumable."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from boneage.files import write_whole
from boneage.groups import AGE_GROUPS, Sex
from boneage.phantom.hand import draw
from boneage.phantom.options import PhantomOptions
from boneage.processes import WorkerPool, core_count

TABLE_NAME = "boneage-training-dataset.csv"
IMAGES_NAME = "boneage-training-dataset"
_FIRST_ID = 1000


@dataclass(frozen=True)
class _Item:
    """One phantom to draw: its file's id, age, sex and seed."""

    id: int
    age_months: float
    sex: Sex
    seed: int


def write_dataset(
    out: Path,
    count: int,
    seed: int,
    options: PhantomOptions = PhantomOptions(),  # noqa: B008
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write phantoms as `boneage-training-dataset.csv`, its folder of PNGs, `masks/` and `landmarks.json`.

    Ages cover 0-228 months evenly over the eight cells of sex and age group. Items that an earlier, interrupted call
    with the same arguments wrote are kept; the table and `landmarks.json` come last and appear only when all is there.

    Args:
        out: folder to write to; created when missing.
        count: number of phantoms.
        seed: seed of the whole set.
        options: variation and accidents.
        workers: processes; None for one per core, 1 for this process alone.
        progress: called with (done, count) after each phantom.

    Returns:
        The path of the table.

    Raises:
        ValueError: when `count` is below 1, or the folder holds phantoms drawn with other arguments.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, but {count!r} was given")
    _claim(out / ".parts" / "arguments.json", {"count": count, "seed": seed, "options": asdict(options)})
    items = plan(count, seed)
    waiting = [item for item in items if not _part(out, item).exists()]
    for done, _ in enumerate(_drawn(out, waiting, options, workers), start=count - len(waiting) + 1):
        if progress:
            progress(done, count)
    parts = [json.loads(_part(out, item).read_text(encoding="utf-8")) for item in items]
    landmarks = {str(part["id"]): part["landmarks"] for part in parts}
    write_whole(out / "landmarks.json", json.dumps(landmarks))
    table = pd.DataFrame(parts, columns=["id", "boneage", "male"])
    return write_whole(out / TABLE_NAME, table.to_csv(index=False, lineterminator="\n"))


def plan(count: int, seed: int) -> list[_Item]:
    """Return what to draw: the eight cells of sex and age group in turn, ages spread evenly within each."""
    rng = np.random.Generator(np.random.PCG64([seed, 0xB0E]))
    cells = [(sex, group) for group in AGE_GROUPS for sex in Sex]
    items = []
    for index in range(count):
        sex, group = cells[index % len(cells)]
        share = (index // len(cells) + float(rng.random())) / max((count - index % len(cells) - 1) // len(cells) + 1, 1)
        age = group.low + share * (group.high - group.low)
        items.append(_Item(_FIRST_ID + index, min(age, group.high), sex, int(rng.integers(0, 2**31))))
    return items


def _drawn(out: Path, items: list[_Item], options: PhantomOptions, workers: int | None) -> Iterator[None]:
    """Draw the items, yielding after each."""
    workers = min(workers or core_count(), max(len(items), 1))
    if workers == 1:
        for item in items:
            _draw_item(out, item, options)
            yield
        return
    # Spawned, never forked: OpenCV's and TensorFlow's threads do not survive a fork, and the child would hang.
    with WorkerPool(workers) as pool:
        waiting = [pool.submit(_draw_item, out, item, options) for item in items]
        yield from (done.result() for done in as_completed(waiting))


def _draw_item(out: Path, item: _Item, options: PhantomOptions) -> None:
    phantom = draw(item.age_months, item.sex, item.seed, options)
    write_whole(out / IMAGES_NAME / f"{item.id}.png", _png(phantom.image))
    write_whole(out / "masks" / f"{item.id}.png", _png(phantom.mask.astype(np.uint8) * np.uint8(255)))
    record = {
        "id": item.id,
        "boneage": round(phantom.age_months),
        "male": item.sex is Sex.MALE,
        "true_age_months": round(phantom.true_age_months, 3),
        "landmarks": phantom.landmarks,
    }
    write_whole(_part(out, item), json.dumps(record))


def _png(image: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 2])[1].tobytes())


def _part(out: Path, item: _Item) -> Path:
    return out / ".parts" / f"{item.id}.json"


def _claim(path: Path, arguments: dict[str, object]) -> None:
    """Note the arguments of a set, or refuse to mix two sets in one folder."""
    text = json.dumps(arguments, sort_keys=True)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ValueError(f"{path.parent.parent} holds phantoms drawn with other arguments; choose another folder")
    write_whole(path, text)
