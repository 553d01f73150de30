"""How fast phantoms are drawn: 512 px, written as a data set by two processes (at least 20 a second).

Measured after the workers have started, from progress at a fifth to progress at the end. What other work on the machine
took of the cores meanwhile is not counted against them, but what they left idle is: that rate has the limit. The plain
one, which a busy machine halves, is printed beside it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from boneage.phantom.dataset import write_dataset
from boneage.phantom.options import PhantomOptions
from boneage.processes import core_count

PHANTOMS, SIZE, WORKERS = 120, 512, 2
RATE = 20.0


@dataclass(frozen=True)
class Mark:
    """A moment: seconds of the clock, of core time that the workers used and that nobody used."""

    clock: float
    used: float
    idle: float

    @classmethod
    def now(cls) -> Mark:
        """Take it while the workers are there."""
        family = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
        return cls(time.perf_counter(), sum(each.user + each.system for each in family), psutil.cpu_times().idle)


def main() -> int:
    marks: list[Mark] = []

    def progress(done: int, _total: int) -> None:
        if done in (PHANTOMS // 5, PHANTOMS):
            marks.append(Mark.now())

    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder), PHANTOMS, 1, PhantomOptions(size=SIZE), WORKERS, progress)
    count, (start, end) = PHANTOMS - PHANTOMS // 5, marks
    clock, used = end.clock - start.clock, end.used - start.used
    theirs = min(used + end.idle - start.idle, WORKERS * clock)
    rate = count / (theirs / WORKERS)
    print(f"phantoms of {SIZE} px, two processes {rate:6.1f} a second (at least {RATE:g}; {core_count()} cores)")
    print(
        f"beside other work on the machine {count / clock:6.1f} a second, {1000 * used / count:.0f} ms of a core each"
    )
    return int(rate < RATE and core_count() >= WORKERS)


if __name__ == "__main__":
    sys.exit(main())
