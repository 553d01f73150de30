"""What serving costs beside an earlier commit, in one run: whole processes, medians, in turns.

    python benchmarks/bench_serving.py [--against 1d24411] [--rounds 5] [--films 100] [--page]

The earlier commit is checked out into a worktree and run by the same Python with the same packages, on a store of its
own that holds the shipped cascade. Seconds are of the wall and, in brackets, of the processor: on a machine that is
not quiet only the ratios and the processor's seconds say much. The commits take turns: other work disturbs both.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from boneage.groups import Sex
from boneage.phantom.hand import draw

ROOT = Path(__file__).parents[1]
BASELINE = "1d24411"
LEAST_FASTER = 4.0
MORE = 10


@dataclass(frozen=True)
class Spent:
    """What a process took: seconds of the wall and of the processor, and its peak memory in MB."""

    wall: float
    processor: float
    memory: float


@dataclass(frozen=True)
class Side:
    """One commit: its tree and its home."""

    name: str
    tree: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment in which its processes run."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        return {**kept, "PYTHONPATH": str(self.tree), "BONEAGE_HOME": str(self.home), "TF_CPP_MIN_LOG_LEVEL": "3"}

    def run(self, *arguments: str) -> Spent:
        """Run `boneage` with arguments to its end."""
        start = time.perf_counter()
        command = [sys.executable, "-m", "boneage.cli", *arguments]
        process = subprocess.Popen(command, cwd=self.tree, env=self.environment, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{self.name}: boneage {arguments[0]} ended with status {status}")
        return Spent(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default=BASELINE, metavar="COMMIT")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--films", type=int, default=100, help="how many are estimated at once for the rate")
    parser.add_argument("--page", action="store_true", help="the page, too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tree = folder / "tree"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), args.against], check=True)
        try:
            sides = [Side("before", tree, folder / "before"), Side("now", ROOT, folder / "now")]
            return measure(sides, folder, args)
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def measure(sides: Sequence[Side], folder: Path, args: argparse.Namespace) -> int:
    """Measure both commits and print the ratios; return 1 where one cold estimate is not enough faster."""
    films = {side: drawn(folder, side) for side in (1024, 2000)}
    for side in sides:
        side.home.mkdir()
        side.run("store", "init")
        side.run("registry", "import", "--shipped")
    before, now = cold(sides, films[1024], args.rounds)
    faster = before.wall / now.wall
    print(f"one film, cold: {shown(before)} before, {shown(now)} now: {faster:.1f} x faster, "
          f"{before.processor / now.processor:.1f} x less processor")  # fmt: skip
    print(f"peak memory: {before.memory:.0f} MB before, {now.memory:.0f} MB now")
    for size, film in films.items():
        once = further(sides, film, (before, now) if size == 1024 else cold(sides, film, args.rounds), args.rounds)
        print(f"each further film of {size} px: {once[0]:.3f} s of a core before, {once[1]:.3f} s now: "
              f"{once[0] / once[1]:.1f} x")  # fmt: skip
    rates = [rate(side, films[1024], args.films) for side in sides]
    print(f"{args.films} films: {rates[0]:.2f} a second before, {rates[1]:.2f} now: {rates[1] / rates[0]:.1f} x")
    if args.page:
        for side in sides:
            print(f"page {side.name}: up after {page(side, films[1024])}")
    return int(faster < LEAST_FASTER)


def drawn(folder: Path, side: int) -> Path:
    """Draw a hand of so many pixels along its longer side."""
    film = draw(120.0, Sex.FEMALE, seed=1).image
    scale = side / max(film.shape)
    file = folder / f"{side}.png"
    cv2.imwrite(str(file), cv2.resize(film, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))
    return file


def cold(sides: Sequence[Side], film: Path, rounds: int, copies: int = 1) -> tuple[Spent, Spent]:
    """Estimate one film in processes of its own, the commits in turns; return the medians of both."""
    spent: dict[str, list[Spent]] = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            spent[side.name].append(side.run("predict", *[str(film)] * copies, "--sex", "female", "--format", "json"))
    first, second = (middle(values) for values in spent.values())
    return first, second


def further(sides: Sequence[Side], film: Path, alone: tuple[Spent, Spent], rounds: int) -> tuple[float, float]:
    """Return the processor's seconds of each film after the first."""
    many = cold(sides, film, max(1, rounds // 2), 1 + MORE)
    first, second = ((more.processor - one.processor) / MORE for more, one in zip(many, alone, strict=True))
    return first, second


def rate(side: Side, film: Path, count: int) -> float:
    """Return the films a second of one process that estimates many, its start counted."""
    return count / side.run("predict", *[str(film)] * count, "--sex", "female", "--format", "json").wall


def middle(values: Sequence[Spent]) -> Spent:
    """Return the medians."""
    columns = ([getattr(one, name) for one in values] for name in ("wall", "processor", "memory"))
    return Spent(*(statistics.median(column) for column in columns))


def shown(spent: Spent) -> str:
    """Write seconds of the wall, and of the processor in brackets."""
    return f"{spent.wall:.2f} s ({spent.processor:.2f})"


def page(side: Side, film: Path) -> str:
    """Start the page; return the seconds until it answers, and from then until the first estimate."""
    from gradio_client import Client, handle_file

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start, url = time.perf_counter(), f"http://127.0.0.1:{port}"
    command = [sys.executable, "app.py", "--port", str(port)]
    with subprocess.Popen(command, cwd=side.tree, env=side.environment, stderr=subprocess.DEVNULL) as process:
        try:
            while not answers(url):
                time.sleep(0.05)
            up = time.perf_counter() - start
            client = Client(url, verbose=False)
            client.predict(handle_file(str(film)), "female", None, None, api_name="/predict")
            return f"{up:.1f} s, first estimate {time.perf_counter() - start - up:.1f} s later"
        finally:
            process.terminate()


def answers(url: str) -> bool:
    """Tell whether a page answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(main())
