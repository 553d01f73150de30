"""An older cascade gets a graph for serving: the shipped archive, which has none, as a user would convert it."""

import pytest

from boneage.cascade.bundle import GRAPH_FILE
from boneage.cli import main
from boneage.groups import ALL_MODELS
from boneage.registry import convert
from boneage.registry import register as registry
from boneage.registry.archive import import_shipped
from boneage.registry.versions import show


@pytest.fixture(autouse=True)
def backbones():
    """Let the real network open, not the room's stand-in."""


@pytest.fixture
def imported(store, monkeypatch):
    monkeypatch.setattr(registry, "_register_heads", lambda *args: dict.fromkeys(ALL_MODELS, 1))
    monkeypatch.setattr(convert, "DRAWN", 3)
    return import_shipped(store)


def test_a_version_without_a_graph_is_registered_again_with_one(imported, store, capsys):
    before = show(store, imported.name, imported.version)
    assert not (registry.bundle_folder(store, before) / GRAPH_FILE).exists()
    assert main(["registry", "convert"]) == 0
    assert "without TensorFlow" in capsys.readouterr().out
    after = show(store, imported.name, "challenger")
    assert after.version == 2 and after.tags["converted_from"] == "1" and after.heads == before.heads
    assert after.tags["graph_films"] == "3" and float(after.tags["graph_largest_difference_months"]) <= 0.01
    assert (registry.bundle_folder(store, after) / GRAPH_FILE).is_file()
    assert main(["registry", "convert", "--version", "2"]) == 1
    assert "nothing to convert" in capsys.readouterr().err
