"""What the soaks share: films that can be told apart, a server's memory and disk, a tally of what went wrong."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


@dataclass
class Tally:
    """What clients saw, counted by all of them: answers by kind, and every fault in a sentence."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        """Count one event."""
        with self._lock:
            self.counts[what] += 1

    def fault(self, sentence: str) -> None:
        """Keep a fault: something mixed up or lost."""
        with self._lock:
            self.faults.append(sentence)


def draw_films(folder: Path, count: int) -> list[Path]:
    """Draw films of hands, no two alike."""
    from boneage.data.images import read_radiograph
    from boneage.phantom.dataset import write_dataset

    write_dataset(folder, count, seed=20)
    films = sorted((folder / "boneage-training-dataset").glob("*.png"))
    pixels = {read_radiograph(film).pixels.tobytes() for film in films}
    if len(pixels) != count:
        raise SystemExit("two of the films are alike")
    return films


def run_clients(clients: int, seconds: float, work: Callable[[int, Random], None]) -> None:
    """Let clients work at the same time until the time is over; each gets its number and a source of chance."""
    end = time.monotonic() + seconds

    def client(number: int) -> None:
        chance = Random(number)
        while time.monotonic() < end:
            work(number, chance)

    with ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(client, number) for number in range(clients)]:
            done.result()


def memory_mib(pid: int) -> float:
    """Return the memory that a process and its children hold, in MiB, what they share counted once each."""
    import psutil

    process = psutil.Process(pid)
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True))) / 2**20


@dataclass
class Growth:
    """Memory against work done, sampled while clients work.

    Attributes:
        memory: returns the server's memory in MiB.
        work: returns how much was done so far, such as estimates.
        points: (work, MiB) of each sample.
    """

    memory: Callable[[], float]
    work: Callable[[], int]
    points: list[tuple[int, float]] = field(default_factory=list)

    def watch(self, seconds: float, every: float = 2.0) -> None:
        """Sample for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.points.append((self.work(), self.memory()))
            time.sleep(every)

    def slope(self) -> tuple[float, float]:
        """Return by how many MiB memory grows per 100 pieces of work, and the standard error, once it has settled.

        The first half of the work is left out: caches fill and the allocator finds its size.
        """
        import numpy as np

        work, memory = np.array(self.points, float).T
        late = work >= work[-1] / 2
        (slope, _), covariance = np.polyfit(work[late] / 100, memory[late], 1, cov=True)
        return float(slope), float(covariance[0, 0] ** 0.5)


def disk_mib(folder: Path) -> float:
    """Return how much the files below a folder take, in MiB."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size += (Path(place) / name).stat().st_size
            except FileNotFoundError:  # deleted meanwhile, as it should be
                continue
    return size / 2**20


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
