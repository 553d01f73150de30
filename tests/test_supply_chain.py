"""Facts about what boneage is built on, and about whose an archive is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from boneage.cli import main
from boneage.dependencies import dependencies, licence_table
from boneage.signing import SignatureError, make_keys, sign, verify

ROOT = Path(__file__).parents[1]


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return make_keys(tmp_path / "keys")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / "cascade.zip"
    file.write_bytes(b"an exported cascade")
    return file


def test_every_dependency_is_listed_with_terms_that_are_permissive_or_named() -> None:
    found = dependencies()
    names = {one.name.lower() for one in found}
    assert {"tensorflow", "mlflow", "gradio", "optuna", "numpy", "cryptography"} <= names and len(found) > 100
    # The page names what says nothing of its terms.
    assert {one.name for one in found if one.kind == "unknown"} <= {"namex"}
    page = licence_table(found)
    assert page.count("\n| ") >= len(found) and "| [tqdm]" in page


def test_the_page_of_licences_is_that_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["licences", "--out", str(tmp_path / "licences.md")]) == 0
    assert "permissive" in capsys.readouterr().out
    written = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    assert written.splitlines()[:5] == (tmp_path / "licences.md").read_text(encoding="utf-8").splitlines()[:5]


def test_what_was_signed_is_verified_and_what_was_changed_is_not(archive: Path, keys: tuple[Path, Path]) -> None:
    secret, public = keys
    assert secret.stat().st_mode & 0o077 == 0
    with pytest.raises(SignatureError, match="is not signed: cascade.zip.sig should lie beside it"):
        verify(archive, public)
    sign(archive, secret)
    verify(archive, public)
    archive.write_bytes(b"an exported cascadE")
    with pytest.raises(SignatureError, match="was changed, or signed with another key"):
        verify(archive, public)


def test_another_makers_signature_is_refused(archive: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    sign(archive, make_keys(tmp_path / "others")[0])
    with pytest.raises(SignatureError, match="signed with another key"):
        verify(archive, keys[1])
    archive.with_name("cascade.zip.sig").write_text("no signature")
    with pytest.raises(SignatureError, match="do not use it"):
        verify(archive, keys[1])


def test_a_bundle_is_signed_by_its_list_of_checksums(keys: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text("{}")
    assert sign(tmp_path, keys[0]) == tmp_path / "bundle.json.sig"
    verify(tmp_path, keys[1])


@pytest.mark.parametrize("wrong", ["nothing", "text", "swapped"])
def test_a_key_that_is_none_is_said_in_a_sentence(archive: Path, keys: tuple[Path, Path], wrong: str) -> None:
    secret, public = keys
    if wrong == "swapped":
        secret, public = public, secret
    else:
        for key in keys:
            key.unlink()
            if wrong == "text":
                key.write_text("no key")
    with pytest.raises(SignatureError, match="as a secret key"):
        sign(archive, secret)
    with pytest.raises(SignatureError, match="as a public key"):
        verify(archive, public)


def test_a_key_is_never_replaced(keys: tuple[Path, Path]) -> None:
    with pytest.raises(SignatureError, match="never replaced"):
        make_keys(keys[0].parent)


def test_an_import_with_a_key_refuses_what_its_owner_did_not_sign(
    archive: Path, keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["registry", "import", str(archive), "--key", str(keys[1])]) == 1
    assert "is not signed" in capsys.readouterr().err
    assert main(["registry", "sign", str(archive), "--key", str(keys[0])]) == 0
    assert main(["registry", "verify", str(archive), "--key", str(keys[1])]) == 0


@pytest.mark.skipif(not Path(sys.executable).with_name("cyclonedx-py").is_file(), reason="cyclonedx-bom is missing")
def test_the_bill_of_materials_names_every_dependency(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("cyclonedx-py")
    out = tmp_path / "boneage.cdx.json"
    settings = ["--no-validate", "--pyproject", ROOT / "pyproject.toml", "--of", "JSON"]
    command = [program, "environment", *settings, "-o", out, sys.executable]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    bill = json.loads(out.read_text())
    assert bill["bomFormat"] == "CycloneDX" and bill["metadata"]["component"]["name"] == "boneage"
    listed = {one["name"].lower().replace("_", "-") for one in bill["components"]}
    assert {one.name.lower().replace("_", "-") for one in dependencies()} <= listed
