"""Two commits beside each other: trees, homes of their own, and what a process of either takes."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASELINE = "1d24411"


@dataclass(frozen=True)
class Spent:
    """What a process took, its children counted: seconds of the wall and of the processor, peak memory in MB.

    Attributes:
        wall: seconds from start to end.
        processor: seconds of all cores.
        memory: the largest process's peak in MB.
        lines: when each line of its output came, in seconds from its start, and its memory then in MB.
    """

    wall: float
    processor: float
    memory: float
    lines: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Side:
    """One commit: what it is called, its tree and its home."""

    name: str
    tree: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment in which its processes run."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        own = {"PYTHONPATH": str(self.tree), "BONEAGE_HOME": str(self.home), "TF_CPP_MIN_LOG_LEVEL": "3"}
        return {**kept, **own, "MLFLOW_DISABLE_TELEMETRY": "true"}

    def run(self, *arguments: str, allowed: Sequence[int] = (0,)) -> Spent:
        """Run `boneage` with arguments to its end, and note when each line of its output came.

        Raises:
            SystemExit: when it ends with another status than those that are allowed, with what it said.
        """
        start = time.perf_counter()
        command, lines = [sys.executable, "-m", "boneage.cli", *arguments], []
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(
                command, cwd=self.tree, env=self.environment, stdout=subprocess.PIPE, stderr=said, text=True
            )
            for _ in process.stdout or ():
                lines.append((time.perf_counter() - start, memory_mb(process.pid)))
            _, status, used = os.wait4(process.pid, 0)
            wall, code = time.perf_counter() - start, os.waitstatus_to_exitcode(status)
            if code not in allowed:
                said.seek(0)
                raise SystemExit(f"{self.name}: boneage {arguments[0]} ended with {code}: {said.read()[-2000:]}")
        return Spent(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, tuple(lines))


@contextmanager
def two_sides(against: str) -> Iterator[tuple[Side, Side]]:
    """Check an earlier commit out beside this one; both get a store of their own with the cascade that ships."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tree, git = folder / "tree", ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--force", "--detach", str(tree), against], check=True)
        try:
            sides = Side("before", tree, folder / "before"), Side("now", ROOT, folder / "now")
            for side in sides:
                side.home.mkdir()
                side.run("store", "init")
                side.run("registry", "import", "--shipped")
            yield sides
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def in_turns(sides: Sequence[Side], rounds: int, work: Callable[[Side], Spent]) -> tuple[Spent, Spent]:
    """Let two commits do the same work in turns, since other work disturbs both; return the medians of both."""
    spent: dict[str, list[Spent]] = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            spent[side.name].append(work(side))
    first, second = (middle(values) for values in spent.values())
    return first, second


def middle(values: Sequence[Spent]) -> Spent:
    """Return the medians."""
    columns = ([getattr(one, name) for one in values] for name in ("wall", "processor", "memory"))
    return Spent(*(statistics.median(column) for column in columns))


def memory_mb(pid: int) -> float:
    """Return a process's resident memory in MB (Linux), 0 where it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
