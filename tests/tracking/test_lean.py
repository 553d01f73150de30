"""A lean archive leaves out what every installation has, and is refused where it has another."""

import shutil
import zipfile

import pytest

from boneage.cascade.bundle import BACKBONE_FILE, MASK_FILE
from boneage.tracking import exchange, lean
from boneage.tracking.registry import RegistryError, bundle_folder, load_cascade, register_cascade, show


def test_what_this_installation_has_is_left_out_and_nothing_else(tmp_path):
    for name in lean.SHIPPED:
        lean.put_back(name, tmp_path / name)
    assert lean.leave_out(tmp_path) == {BACKBONE_FILE, MASK_FILE}
    (tmp_path / MASK_FILE).write_bytes(b"another")
    assert lean.leave_out(tmp_path) == {BACKBONE_FILE}


@pytest.fixture
def archive(store, submit, tmp_path, monkeypatch):
    """A lean archive of a tiny cascade, whose backbone counts as shipped here."""
    register_cascade(store, submit(metrics={"mae_months": 5.0, "images": 20.0}))
    kept = tmp_path / "kept.npz"
    shutil.copyfile(bundle_folder(store, show(store, "tiny-cascade", "challenger")) / BACKBONE_FILE, kept)
    monkeypatch.setattr(exchange, "leave_out", lambda bundle: frozenset({BACKBONE_FILE}))
    monkeypatch.setattr(exchange, "put_back", lambda name, path: shutil.copyfile(kept, path))
    return exchange.export_version(store, "tiny-cascade", "challenger", tmp_path / "out", lean=True), kept


def test_a_lean_archive_comes_back_whole(store, archive):
    file, _ = archive
    with zipfile.ZipFile(file) as members:
        assert f"bundle/{BACKBONE_FILE}" not in members.namelist()
    exchange.import_version(store, file, prefix="other")
    assert load_cascade("models:/other-cascade/1").heads
    version = show(store, "other-cascade", 1)
    assert (bundle_folder(store, version) / BACKBONE_FILE).read_bytes() == archive[1].read_bytes()


def test_an_installation_with_another_backbone_refuses_it(store, archive):
    file, kept = archive
    kept.write_bytes(b"another backbone")
    with pytest.raises(RegistryError, match="ships another one"):
        exchange.import_version(store, file, prefix="other")


def test_only_what_ships_may_be_missing(store, archive, tmp_path):
    file, _ = archive
    short = tmp_path / "short.zip"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(short, "w") as new:
        for name in old.namelist():
            if name != "bundle/bundle.json":
                new.writestr(name, old.read(name))
    with pytest.raises(RegistryError, match="damaged"):
        exchange.import_version(store, short, prefix="other")
