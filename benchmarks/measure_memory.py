"""What preparing a whole collection takes in memory (< 2 GB): every process of `boneage prepare`, into a fresh home.

    python benchmarks/measure_memory.py DATA [--config configs/rsna.toml] [--home DIR]

DATA is the folder with the collection's table and images, as zips or not. Memory is the proportional set size (what
processes share is counted once), summed over the command and all it starts, asked once a second. It prepares every film
and computes every feature, which takes minutes for ten thousand films.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

GIGABYTES = 2.0
ROOT = Path(__file__).parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "rsna.toml")
    parser.add_argument("--home", type=Path, help="where the prepared films are kept; by default they are removed")
    args = parser.parse_args()
    if args.home:
        return measure(args.data, args.config, args.home)
    with tempfile.TemporaryDirectory() as home:
        return measure(args.data, args.config, Path(home))


def measure(data: Path, config: Path, home: Path) -> int:
    """Prepare into a home and print the peak; returns the exit status."""
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "boneage.cli", "prepare", str(config.resolve())]
    command += ["--set", f"data.root={data.resolve()}"]
    environment = {**os.environ, "BONEAGE_HOME": str(home.resolve()), "PYTHONPATH": str(ROOT)}
    start, peak, at_peak = time.monotonic(), 0.0, 0
    with subprocess.Popen(command, cwd=home, env=environment) as process:
        while process.poll() is None:
            sizes = family(process.pid)
            if sum(sizes) > peak:
                peak, at_peak = sum(sizes), len(sizes)
            time.sleep(1)
    films = sum(1 for _ in (home / "workspace" / "prepared").rglob("*.png"))
    print(f"{films} films prepared in {(time.monotonic() - start) / 60:.1f} minutes")
    print(f"peak memory {peak:.2f} GB over {at_peak} processes (limit {GIGABYTES})")
    return int(process.returncode != 0 or peak > GIGABYTES)


def family(pid: int) -> list[float]:
    """Return the proportional set size in GB of a process and of each of its descendants."""
    sizes = []
    for member in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        try:
            sizes.append(member.memory_full_info().pss / 1e9)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return sizes


if __name__ == "__main__":
    sys.exit(main())
