"""What preparing films costs: one core's seconds a film (<= 0.25), two processes against one (>= 1.7), memory (< 2 GB).

The films are phantoms of 1024 px, drawn a few times over with other grain so that no two have the same content. Rates
are taken after the workers have started, from progress at a fifth to progress at the end, in one run.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from PIL import Image

from boneage.config import PreprocessConfig
from boneage.groups import Sex
from boneage.phantom.hand import draw
from boneage.phantom.options import PhantomOptions
from boneage.preprocess.pipeline import prepare_table
from boneage.processes import core_count

FILMS, DRAWN = 120, 6
SECONDS, RATIO, GIGABYTES = 0.25, 1.7, 2.0
CONFIG = PreprocessConfig(background="handmask", crop=True, pad=True)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        table = films(Path(folder) / "films")
        one, cpu, memory_of_one = measure(table, Path(folder) / "one", 1)
        two, _, memory_of_two = measure(table, Path(folder) / "two", 2)
    memory = max(memory_of_one, memory_of_two)
    print(f"one process      {one:6.2f} films/s, {cpu:.3f} s of one core a film (limit {SECONDS})")
    print(
        f"two processes    {two:6.2f} films/s, {two / one:.2f} times as fast (at least {RATIO}; {core_count()} cores)"
    )
    print(f"peak memory      {memory:6.2f} GB with all workers (limit {GIGABYTES})")
    return int(cpu > SECONDS or (two / one < RATIO and core_count() >= 2) or memory > GIGABYTES)


def films(folder: Path) -> pd.DataFrame:
    folder.mkdir(parents=True)
    options = PhantomOptions(size=1024)
    drawn = [draw(40.0 + 30 * n, list(Sex)[n % 2], n, options).image for n in range(DRAWN)]
    rng = np.random.default_rng(0)
    images = []
    for number in range(FILMS):
        film = drawn[number % DRAWN].copy()
        film.flat[:: 50_000 + number] = rng.integers(256)
        images.append(folder / f"{number}.png")
        Image.fromarray(film).save(images[-1], compress_level=1)
    names = [str(image) for image in images]
    return pd.DataFrame({"source": "bench", "id": [str(n) for n in range(FILMS)], "image": names})


def measure(table: pd.DataFrame, cache: Path, workers: int) -> tuple[float, float, float]:
    """Return films a second, seconds of this process's core a film, and the peak memory in GB of all processes."""
    marks: list[tuple[int, float, float]] = []
    peak = 0.0

    def progress(done: int, _total: int) -> None:
        nonlocal peak
        marks.append((done, time.perf_counter(), time.process_time()))
        if done % 10 == 0:  # the proportional size: what processes share counts once; asking costs milliseconds
            family = [psutil.Process(), *psutil.Process().children(recursive=True)]
            peak = max(peak, sum(process.memory_full_info().pss for process in family) / 1e9)

    prepare_table(table, CONFIG, cache, workers, progress)
    first = next(mark for mark in marks if mark[0] >= FILMS // 5)
    count = marks[-1][0] - first[0]
    return count / (marks[-1][1] - first[1]), (marks[-1][2] - first[2]) / count, peak


if __name__ == "__main__":
    sys.exit(main())
