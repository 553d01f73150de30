"""Measure the page as a visitor finds it: `python benchmarks/page.py [--estimates 300] [--model URI]`.

Starts `python app.py` on the promoted cascade (`make setup` brings the shipped one) and prints: seconds to a usable
page, seconds from upload to estimate, eight visitors at once, and the server's memory over many estimates. Run it on a
quiet machine.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PATIENCE = 300.0
WARM_UP = 20


def start(model: str) -> tuple[subprocess.Popen[str], str, float, float]:
    """Start the page; return its process, its address, and the seconds until it answered and until a model did."""
    from gradio_client import Client

    began = time.perf_counter()
    command = [sys.executable, "app.py", "--port", "0", "--model", model]
    # A port of 0 takes any free one; the page says which.
    page = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    stream = page.stderr
    if stream is None:
        raise SystemExit("the page has no stderr")
    for line in stream:
        found = re.search(r"open at (\S+)", line)
        if found:
            break
        sys.stderr.write(line)
    else:
        raise SystemExit("the page did not start; see above")
    threading.Thread(target=lambda: [None for _ in stream], daemon=True).start()
    url = found[1]
    while not _answers(url):
        time.sleep(0.05)
    usable = time.perf_counter() - began
    Client(url, verbose=False, httpx_kwargs={"timeout": PATIENCE})
    return page, url, usable, began


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


def memory_mb(pid: int) -> float:
    """Return a process's resident memory in MB (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


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
    page, url, usable, began = start(model)
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = film(Path(folder))
            estimate(url, file)
            print(f"usable page after {usable:.1f} s; first estimate (the model was loading) after "
                  f"{time.perf_counter() - began:.1f} s")  # fmt: skip
            with ThreadPoolExecutor(8) as pool:
                waits = sorted(pool.map(lambda _: estimate(url, file), range(8)))
            print(f"eight visitors at once: all answered, the first after {waits[0]:.2f} s, the last {waits[-1]:.2f} s")
            seconds, memory = repeat(url, file, page.pid, count)
    finally:
        page.terminate()
        page.wait(60)
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
