"""A running page around a cascade that answers at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from page_fakes import Running, hand_pixels, serving, write_png  # noqa: E402 (its folder is on the path only now)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Serve the page for one file of tests."""
    with serving(tmp_path_factory.mktemp("page")) as up:
        yield up


@pytest.fixture
def hand(tmp_path: Path) -> Path:
    """An 8-bit PNG."""
    return write_png(tmp_path / "hand.png", hand_pixels())
