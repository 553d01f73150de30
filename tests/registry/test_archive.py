"""A cascade travels as one file; a changed file is refused."""

import json
import zipfile

import numpy as np
import pytest

from boneage.registry import archive as exchange
from boneage.registry import unpacking
from boneage.registry.promotion import champions
from boneage.registry.register import bundle_folder, load_cascade, register_cascade
from boneage.registry.serving import open_served
from boneage.registry.versions import RegistryError, show
from boneage.shipped import ShippedError, write_record
from boneage.signing import SignatureError, make_keys, verify


@pytest.fixture
def archive(store, submit, tmp_path):
    register_cascade(store, submit(metrics={"mae_months": 5.0, "images": 20.0}))
    return exchange.export_version(store, "tiny-cascade", "challenger", tmp_path / "out")


def rewrite(archive, change):
    """Write the archive again with `change(name, data) -> data` applied to every member."""
    with zipfile.ZipFile(archive) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in members.items():
            file.writestr(name, change(name, data))


def test_an_exported_cascade_comes_back_as_another_prefix(store, archive, cascade):
    imported = exchange.import_version(store, archive, prefix="other")
    assert str(imported) == "registered as other-cascade version 1"
    info = show(store, "other-cascade", "challenger")
    assert info.mae_months == 5.0
    assert info.card == "# A card"
    assert info.tags["imported_from"] == "tiny-cascade version 1"
    assert load_cascade("models:/other-cascade/1").heads.keys() == cascade.heads.keys()
    assert store.get_run(info.run_id).info.status == "FINISHED"


def test_the_archive_has_a_checksum_beside_it_and_is_not_written_twice(store, archive):
    assert archive.name == "tiny-cascade-1.zip"
    assert archive.with_name("tiny-cascade-1.zip.sha256").read_text().endswith(" tiny-cascade-1.zip\n")
    with pytest.raises(RegistryError, match="exists already"):
        exchange.export_version(store, "tiny-cascade", 1, archive.parent)


def test_importing_what_is_there_registers_nothing(store, archive):
    imported = exchange.import_version(store, archive)
    assert (imported.version, imported.new) == (1, False)


def test_a_changed_archive_is_refused(store, archive):
    rewrite(archive, lambda name, data: data + b" " if name.endswith(".npz") else data)
    with pytest.raises(RegistryError, match="damaged or changed"):
        exchange.import_version(store, archive, prefix="other")


def test_an_archive_cannot_write_outside_its_folder(store, archive):
    def change(name, data):
        if name != "manifest.json":
            return data
        manifest = json.loads(data)
        manifest["files"]["../outside.txt"] = "0"
        return json.dumps(manifest).encode()

    rewrite(archive, change)
    with pytest.raises(RegistryError, match="outside"):
        exchange.import_version(store, archive, prefix="other")


@pytest.mark.parametrize("content", [b"", b"no zip at all"])
def test_what_is_no_archive_is_refused_in_a_sentence(store, tmp_path, content):
    file = tmp_path / "x.zip"
    file.write_bytes(content)
    with pytest.raises(RegistryError, match="no exported cascade"):
        exchange.import_version(store, file)


def test_a_missing_archive_says_so(store, tmp_path):
    with pytest.raises(RegistryError, match="no archive"):
        exchange.import_version(store, tmp_path / "none.zip")


def test_the_shipped_cascade_becomes_champion_where_there_is_none(store, archive, tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "assets", lambda: tmp_path)
    with pytest.raises(RegistryError, match="python -m tuning"):
        exchange.import_shipped(store)
    shipped = archive.rename(tmp_path / unpacking.SHIPPED_FILE)
    with pytest.raises(ShippedError, match="cascade.json should lie"):
        exchange.import_shipped(store)
    write_record(shipped, {})
    assert exchange.import_shipped(store).promoted
    assert champions(store, "tiny-cascade") == [1]
    assert not exchange.import_shipped(store).promoted


def test_a_shipped_cascade_that_its_record_does_not_describe_is_refused(store, archive, tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "assets", lambda: tmp_path)
    shipped = archive.rename(tmp_path / unpacking.SHIPPED_FILE)
    write_record(shipped, {"sha256": "0" * 64})
    with pytest.raises(ShippedError, match="should have sha256 0000"):
        exchange.import_shipped(store)


def test_where_a_key_is_trusted_only_what_its_owner_signed_answers(store, submit, tmp_path, monkeypatch):
    register_cascade(store, submit())
    secret, public = make_keys(tmp_path / "keys")
    monkeypatch.setenv("BONEAGE_KEY", str(public))
    bundle = bundle_folder(store, show(store, "tiny-cascade", 1))
    doors = (
        lambda: load_cascade("models:/tiny-cascade/1", store),
        lambda: load_cascade(str(bundle)),
        lambda: open_served(bundle),
    )
    for door in doors:
        with pytest.raises(SignatureError, match="BONEAGE_KEY allows only what the owner of .* is not signed"):
            door()
    archive = exchange.export_version(store, "tiny-cascade", 1, tmp_path / "out", key=secret)
    verify(archive, public)
    # The bundle's own signature travels along, so what was imported answers, too.
    assert exchange.import_version(store, archive, prefix="other").new
    for door in (*doors, lambda: load_cascade("models:/other-cascade/1", store)):
        assert door().estimate_features(np.zeros((1, 2), np.float32), ["male"])
    monkeypatch.setenv("BONEAGE_KEY", str(make_keys(tmp_path / "others")[1]))
    for door in doors:
        with pytest.raises(SignatureError, match="signed with another key"):
            door()
