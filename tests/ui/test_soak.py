"""The short form of `benchmarks/soak_page.py`: visitors at once, a promotion in between, nothing mixed or lost."""

from __future__ import annotations

import importlib.util
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from page_fakes import URI, Running, hand_pixels, write_png

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def soak_page():
    """Import the benchmark, which is no package."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("soak_page", BENCHMARKS / "soak_page.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["soak_page"] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_eight_visitors_at_once_mix_up_and_lose_nothing(running: Running, tmp_path: Path) -> None:
    module = soak_page()
    films = []
    for number in range(6):
        pixels = hand_pixels()
        pixels[:, 0] = np.uint8(60 + number)
        films.append(write_png(tmp_path / f"film-{number}.png", pixels))
    visits = module.Visits(lambda: running.url, films)
    visits.learn()
    timer = threading.Timer(2.0, lambda: running.catalogue.versions.update({URI: "4"}))
    timer.start()
    try:
        module.run_clients(8, 5.0, visits.visit)
    finally:
        timer.join()
        running.catalogue.versions[URI] = "3"
    assert visits.tally.faults == [] and visits.lost(running.services.flags) == []
    assert visits.misread(running.services.flags) == []
    assert visits.tally.counts["readings"] > 3 and visits.tally.counts["rightly refused"] > 1
    records = running.services.flags.records()
    assert set(records["version"]) <= {"3", "4"} and records["key"].str.len().eq(64).all()


def test_growth_is_the_slope_once_memory_has_settled() -> None:
    growth = soak_page().Growth(lambda: 0.0, lambda: 0)
    growth.points = [(10 * n, 500.0 - 8 * max(0, 10 - n) + 0.2 * n) for n in range(30)]
    assert growth.slope() == pytest.approx((2.0, 0.0), abs=1e-6)
