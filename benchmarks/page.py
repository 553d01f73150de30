"""Measure the page as a visitor finds it: `python benchmarks/page.py [--estimates 300] [--model URI]`.

Starts `python app.py` on the promoted cascade (`make setup` brings the shipped one) and prints: seconds to a usable
page, seconds from upload to estimate, eight visitors at once, and the server's memory over many estimates. Run it on a
quiet machine.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sides import ROOT, memory_mb

sys.path.insert(0, str(ROOT))
PATIENCE = 300.0
WARM_UP = 20


@dataclass(frozen=True)
class Page:
    """A page that is up: its address, its process, and the seconds from its start until it answered."""

    url: str
    pid: int
    usable: float


@contextmanager
def opened(tree: Path, environment: dict[str, str] | None = None, *options: str) -> Iterator[Page]:
    """Start the page of a tree, wait until it answers, and end it afterwards."""
    began = time.perf_counter()
    # A port of 0 takes any free one; the page says which.
    command = [sys.executable, "app.py", "--port", "0", *options]
    process = subprocess.Popen(command, cwd=tree, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        url = _address(process)
        while not _answers(url):
            time.sleep(0.05)
        yield Page(url, process.pid, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(60)


def _address(process: subprocess.Popen[str]) -> str:
    """Return the address that a page prints, and read on, so that it never waits for a reader."""
    stream, said = process.stderr, []
    for line in stream or ():
        found = re.search(r"open at (\S+)", line)
        if found:
            threading.Thread(target=lambda: [None for _ in stream or ()], daemon=True).start()
            return found[1]
        said.append(line)
    raise SystemExit(f"the page did not start: {''.join(said)[-2000:]}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, TimeoutError):
        return False


def film(folder: Path) -> str:
    """Draw a hand at the size of a radiograph."""
    import cv2

    from boneage.groups import Sex
    from boneage.phantom.hand import draw

    pixels = cv2.resize(draw(100, Sex.FEMALE, 22).image, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    file = folder / "drawn.png"
    cv2.imwrite(str(file), pixels)
    return str(file)


def estimate(url: str, file: str) -> float:
    """Upload and estimate as a new visitor; return the seconds from upload to answer."""
    from gradio_client import Client, handle_file

    client = Client(url, verbose=False, httpx_kwargs={"timeout": PATIENCE})
    began = time.perf_counter()
    client.predict(file=handle_file(file), sex="female", api_name="/predict")
    return time.perf_counter() - began


def repeat(url: str, file: str, pid: int, count: int) -> tuple[list[float], list[float]]:
    """Estimate again and again as one visitor; return the seconds of each and the memory after each in MB."""
    from gradio_client import Client, handle_file

    client, seconds, memory = Client(url, verbose=False, httpx_kwargs={"timeout": PATIENCE}), [], []
    for _ in range(count):
        began = time.perf_counter()
        client.predict(file=handle_file(file), sex="female", api_name="/predict")
        seconds.append(time.perf_counter() - began)
        memory.append(memory_mb(pid))
    return seconds, memory


def measure(model: str, count: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, opened(ROOT, None, "--model", model) as page:
        file, began = film(Path(folder)), time.perf_counter()
        estimate(page.url, file)
        print(f"usable page after {page.usable:.1f} s; first estimate {time.perf_counter() - began:.1f} s later")
        with ThreadPoolExecutor(8) as pool:
            waits = sorted(pool.map(lambda _: estimate(page.url, file), range(8)))
        print(f"eight visitors at once: all answered, the first after {waits[0]:.2f} s, the last {waits[-1]:.2f} s")
        seconds, memory = repeat(page.url, file, page.pid, count)
    print(f"upload to estimate, {count} times: median {statistics.median(seconds):.2f} s, "
          f"95 % within {sorted(seconds)[int(0.95 * (count - 1))]:.2f} s")  # fmt: skip
    settled, end = statistics.mean(memory[: min(WARM_UP, count)]), statistics.mean(memory[-WARM_UP:])
    print(f"memory: {settled:.0f} MB over the first {WARM_UP} estimates, {end:.0f} MB over the last "
          f"({end - settled:+.0f} MB, highest {max(memory):.0f} MB)")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--estimates", type=int, default=300)
    parser.add_argument("--model", default="models:/boneage-cascade@champion")
    asked = parser.parse_args()
    measure(asked.model, asked.estimates)
