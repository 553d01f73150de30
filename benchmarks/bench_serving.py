"""What serving costs beside an earlier commit, in one run: whole processes, medians, in turns.

    python benchmarks/bench_serving.py [--against 1d24411] [--only cold further rate page training] [--films 1000]

The earlier commit is checked out into a worktree and run by the same Python with the same packages, on a store of its
own that holds the shipped cascade. About eleven minutes on a quiet machine of two cores. Seconds are of the wall and,
in brackets, of the processor: on a machine that is not quiet only the ratios and the processor's seconds say much.
Returns 1 where something that issue 16 asks for is missed; each line says what was wanted.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sides import BASELINE, ROOT, Side, Spent, in_turns, two_sides

sys.path.insert(0, str(ROOT))

MORE = 10
FEW = 40
"""How many films the earlier commit estimates for its rate: a thousand would take it ten minutes."""
SETTLED = 100
VISITORS, AT_ONCE, ALONE = 8, 4, 20
AGES = (30.0, 55.0, 80.0, 100.0, 120.0, 140.0, 160.0, 190.0)
STUDY = """
[study]
name = "bench-{round}"
prefix = "bench"
seed = 3
[[data.sources]]
name = "phantoms"
layout = "phantom"
path = "phantoms-{round}"
count = 100
seed = {round}
[classifier]
standardize = true
[regressor]
standardize = true
[training]
epochs = 6
patience = 3
"""
STUDIES = 2


@dataclass
class Bench:
    """Both commits, drawn films by side length, and what was missed so far."""

    sides: tuple[Side, Side]
    films: dict[int, list[str]]
    rounds: int
    count: int
    folder: Path
    missed: list[str] = field(default_factory=list)

    def say(self, line: str, wanted: str = "", reached: bool = True) -> None:
        """Print a line at once, with what was wanted, and remember what was missed."""
        print(f"{line}{f'; wanted: {wanted}' if wanted else ''}{'' if reached else '  <- MISSED'}", flush=True)
        if not reached:
            self.missed.append(line)

    def predict(self, size: int, count: int, rounds: int) -> tuple[Spent, Spent]:
        """Estimate one film so many times in one process, the commits in turns; return the medians of both."""
        return in_turns(self.sides, rounds, lambda side: side.run(*asked(self.films[size][4:5] * count)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default=BASELINE, metavar="COMMIT")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=" ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--films", type=int, default=1000, help="how many are estimated at once, and by the page")
    args = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary, two_sides(args.against) as sides:
        films = {side: drawn(Path(temporary), side) for side in (1024, 2000)}
        bench = Bench(sides, films, args.rounds, args.films, Path(temporary))
        for part in args.only:
            PARTS[part](bench)
    print(f"{time.perf_counter() - began:.0f} s in all; missed: {len(bench.missed)}")
    return int(bool(bench.missed))


def drawn(folder: Path, side: int) -> list[str]:
    """Draw hands of several ages, of so many pixels along their longer side."""
    import cv2

    from boneage.groups import Sex
    from boneage.phantom.hand import draw

    files = []
    for number, age in enumerate(AGES):
        film = draw(age, Sex.FEMALE, seed=number).image
        scale = side / max(film.shape)
        files.append(str(folder / f"{side}-{number}.png"))
        cv2.imwrite(files[-1], cv2.resize(film, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))
    return files


def cold(bench: Bench) -> None:
    """One film in a process of its own."""
    before, now = bench.predict(1024, 1, bench.rounds)
    bench.say(f"one film, cold: {shown(before)} before, {shown(now)} now", "at most 3 s", now.wall <= 3)
    faster, less = before.wall / now.wall, before.processor / now.processor
    bench.say(f"that is {faster:.1f} x faster, {less:.1f} x less processor", "at least 4 x", faster >= 4)
    memory = f"peak memory: {before.memory:.0f} MB before, {now.memory:.0f} MB now"
    bench.say(memory, "at most 400 MB", now.memory <= 400)


def further(bench: Bench) -> None:
    """Each film after the first of one process, in the processor's seconds: those of one core."""
    for size, most in ((1024, 0.20), (2000, 0.35)):
        rounds = max(1, bench.rounds // 2)
        many, one = bench.predict(size, 1 + MORE, rounds), bench.predict(size, 1, rounds)
        before, now = ((more.processor - alone.processor) / MORE for more, alone in zip(many, one, strict=True))
        line = f"each further film of {size} px: {before:.3f} s of a core before, {now:.3f} s now"
        bench.say(line, f"at most {most:.2f} s", now <= most)


def rate(bench: Bench) -> None:
    """Many films in one process on all cores, its start counted, and its memory meanwhile."""
    before, now = bench.sides
    some = [bench.films[1024][number % len(AGES)] for number in range(bench.count)]
    # Films that a gate refuses are answered, too: status 1.
    slow, fast = before.run(*asked(some[:FEW]), allowed=(0, 1)), now.run(*asked(some), allowed=(0, 1))
    rates = min(FEW, bench.count) / slow.wall, bench.count / fast.wall
    line = f"{bench.count} films: {rates[1]:.2f} a second now ({rates[0]:.2f} before, over {FEW})"
    bench.say(line, "at least 6", rates[1] >= 6)
    memory = [held for _, held in fast.lines if held]
    early, late = memory[min(SETTLED, len(memory) - 1)], max(memory[-SETTLED:])
    line = f"memory of that process: {early:.0f} MB at film {SETTLED}, {late:.0f} MB at most over the last {SETTLED}"
    bench.say(line, "flat (at most 25 MB more)", late - early <= 25)


def page(bench: Bench) -> None:
    """`python app.py`: until it is usable, the first estimate, eight visitors at once, memory over many estimates."""
    import page as visited

    before, now = bench.sides
    film = bench.films[1024][4]
    for side in (before, now):
        times = [opened(side, film) for _ in range(max(1, bench.rounds // 2 + 1) if side is now else 1)]
        usable, first = (statistics.median(column) for column in zip(*times, strict=True))
        line = f"page {side.name}: usable after {usable:.1f} s, first estimate {first:.1f} s later"
        bench.say(line, "4 s and 1 s" * (side is now), side is before or (usable <= 4 and first <= 1))
    with visited.opened(now.tree, now.environment) as up:
        with ThreadPoolExecutor(VISITORS) as pool:
            waits = sorted(pool.map(lambda _: visited.estimate(up.url, film), range(VISITORS)))
        bench.say(
            f"{VISITORS} visitors at once: all answered, the first in {waits[0]:.2f} s, the last in {waits[-1]:.2f} s"
        )
        seconds, _ = visited.repeat(up.url, film, up.pid, min(ALONE, bench.count))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            each = range(AT_ONCE)
            runs = list(pool.map(lambda _: visited.repeat(up.url, film, up.pid, bench.count // AT_ONCE), each))
    bench.say(f"upload to answer of the page, one visitor: median {statistics.median(seconds):.2f} s")
    memories = [memory for _, memory in runs]
    settled = memories[0][min(SETTLED // AT_ONCE, len(memories[0]) - 1)]
    end = max(memory[-1] for memory in memories)
    line = f"memory of the page over {bench.count} estimates: {settled:.0f} MB at {SETTLED}, {end:.0f} MB at the end"
    bench.say(line, "flat (at most 25 MB more)", end - settled <= 25)


def opened(side: Side, film: str) -> tuple[float, float]:
    """Open a side's page; return the seconds until it answered, and from then to the first estimate."""
    import page as visited

    with visited.opened(side.tree, side.environment) as up:
        began = time.perf_counter()
        visited.estimate(up.url, film)
        return up.usable, time.perf_counter() - began


def training(bench: Bench) -> None:
    """A small study on drawn hands, from drawing to the registered cascade, the commits in turns.

    The ratio is that of the processor's seconds, which other work on the machine hardly changes.
    """
    ratios = []
    for number in range(STUDIES):  # other hands each time: nothing comes from a cache
        config = bench.folder / f"bench-{number}.toml"
        config.write_text(STUDY.format(round=number), encoding="utf-8")
        before, now = (side.run("train", str(config)) for side in bench.sides)
        ratios.append(now.processor / before.processor)
        bench.say(f"a small study: {shown(before)} before, {shown(now)} now, {ratios[-1]:.2f} of the processor")
    ratio = statistics.mean(ratios)
    bench.say(f"the training side takes {ratio:.2f} of the processor", "at most 1.1", ratio <= 1.1)


def asked(films: Sequence[str]) -> list[str]:
    """Return the command that estimates films."""
    return ["predict", *films, "--sex", "female", "--format", "json"]


def shown(spent: Spent) -> str:
    """Write seconds of the wall, and of the processor in brackets."""
    return f"{spent.wall:.2f} s ({spent.processor:.2f})"


PARTS: dict[str, Callable[[Bench], None]] = {
    "cold": cold, "further": further, "rate": rate, "page": page, "training": training,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
