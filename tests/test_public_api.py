"""`import boneage` is the public interface: complete, light, and changed only with a line in CHANGELOG.md."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import boneage
from boneage.registry import opening

ROOT = Path(__file__).parents[1]
METHODS = ("Cascade.estimate", "Cascade.estimate_many")


def signature(name):
    """Write a public name as CHANGELOG.md does: a function with its parameters and their defaults."""
    found = boneage
    for part in name.split("."):
        found = getattr(found, part)
    if not inspect.isfunction(found):
        return f"boneage.{name}"
    parameters = inspect.signature(found).parameters.values()
    plain = [each.replace(annotation=inspect.Parameter.empty) for each in parameters if each.name != "self"]
    return f"boneage.{name}{inspect.Signature(plain)}"


def test_a_public_name_changes_only_with_a_line_in_the_changelog():
    written = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    public = written[written.index("### Public API") :]
    names = [name for name in boneage.__all__ if name != "__version__"]
    missing = [signature(name) for name in (*names, *METHODS) if f"- `{signature(name)}`" not in public]
    assert missing == [], "write these into CHANGELOG.md, under Public API"
    listed = set(re.findall(r"^- `boneage\.(\w+)", public, re.MULTILINE))
    removed = set(re.findall(r"^- removed `boneage\.(\w+)", public, re.MULTILINE))
    assert listed - removed == set(names)


def test_every_public_name_is_there_documented_and_typed():
    assert set(boneage._PLACES) == set(boneage.__all__) - {"__version__"} <= set(dir(boneage))
    for name in boneage._PLACES:
        assert (getattr(boneage, name).__doc__ or "").strip(), name
    assert (ROOT / "boneage" / "py.typed").is_file()
    with pytest.raises(AttributeError, match="no attribute 'estimat'"):
        _ = boneage.estimat


def test_importing_boneage_imports_nothing_else():
    code = (
        "import sys, boneage; boneage.BoneageError;"
        "print(sorted({'numpy', 'pandas', 'mlflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_a_store_the_shipped_cascade_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert opening.default_uri() == opening.SHIPPED
    cascade = boneage.load_cascade()
    assert (cascade.model, cascade.version) == ("boneage-cascade", "shipped")
    film = np.random.default_rng(0).integers(0, 255, (200, 150), dtype=np.uint8)
    first, second = cascade.estimate_many([film, b"no film"], "female", anyway=True)
    assert 0 <= first.bone_age_months <= 228 and first.version == "shipped"
    assert isinstance(second, boneage.ImageError) and second.code == "image.unknown"
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_was_named_is_never_passed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(boneage.StoreError, match="no tracking store"):
        boneage.load_cascade()


def test_a_store_without_a_champion_gives_the_shipped_cascade(store):
    assert opening.default_uri() == opening.SHIPPED
    store.create_registered_model("boneage-cascade")
    version = store.create_model_version("boneage-cascade", source="/nowhere")
    assert opening.default_uri() == opening.SHIPPED
    store.set_registered_model_alias("boneage-cascade", "champion", version.version)
    assert opening.default_uri() == opening.CHAMPION_URI
