"""An older cascade gets a graph for serving: the shipped archive as it was before graphs, as a user converts it."""

import hashlib
import json
import zipfile

import pytest

from boneage.cascade import bundle
from boneage.cascade.bundle import BUNDLE_FILE, GRAPH_FILE, HEADS_GRAPH_FILE
from boneage.cascade.heads_graph import GraphGlobalHead, GraphHead
from boneage.cli import main
from boneage.groups import ALL_MODELS
from boneage.registry import archive as exchange
from boneage.registry import convert
from boneage.registry import register as registry
from boneage.registry.unpacking import BUNDLE, MANIFEST, shipped_archive
from boneage.registry.versions import show


@pytest.fixture(autouse=True)
def backbones():
    """Let the real network open, not the room's stand-in."""


def without_graph(archive, path):
    """Write an exported cascade again as it was before graphs travelled along."""
    graphs, description = [f"{BUNDLE}/{name}" for name in (GRAPH_FILE, HEADS_GRAPH_FILE)], f"{BUNDLE}/{BUNDLE_FILE}"
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w") as new:
        manifest, values = json.loads(old.read(MANIFEST)), json.loads(old.read(description))
        del values["graph"], values["sha256"]
        for name in graphs:
            values["files"].pop(name.removeprefix(f"{BUNDLE}/"), None)
            manifest["files"].pop(name, None)
        text = json.dumps({**values, "sha256": bundle._digest(values)})
        manifest["files"][description] = hashlib.sha256(text.encode()).hexdigest()
        changed = {MANIFEST: json.dumps(manifest), description: text}
        for name in set(old.namelist()) - {*graphs}:
            new.writestr(name, changed.get(name) or old.read(name))
    return path


@pytest.fixture
def imported(store, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_register_heads", lambda *args: dict.fromkeys(ALL_MODELS, 1))
    monkeypatch.setattr(convert, "DRAWN", 3)
    before = without_graph(shipped_archive(), tmp_path / "before.zip")
    monkeypatch.setattr(exchange, "shipped_archive", lambda: before)
    return exchange.import_shipped(store)


def test_a_version_without_a_graph_is_registered_again_with_one(imported, store, capsys):
    before = show(store, imported.name, imported.version)
    assert not (registry.bundle_folder(store, before) / GRAPH_FILE).exists()
    assert main(["registry", "convert"]) == 0
    assert "without TensorFlow" in capsys.readouterr().out
    after = show(store, imported.name, "challenger")
    assert after.version == 2 and after.tags["converted_from"] == "1" and after.heads == before.heads
    assert after.tags["graph_films"] == "3" and float(after.tags["graph_largest_difference_months"]) <= 0.01
    folder = registry.bundle_folder(store, after)
    assert (folder / GRAPH_FILE).is_file() and (folder / HEADS_GRAPH_FILE).is_file()
    served = registry.load_cascade("models:/boneage-cascade@challenger", store)
    assert all(isinstance(head, GraphHead) for head in served.heads.values())
    assert isinstance(served.stack.head, GraphGlobalHead)
    assert main(["registry", "convert", "--version", "2"]) == 1
    assert "nothing to convert" in capsys.readouterr().err
