"""To whom the page is served, and what is left behind."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

import pytest

from boneage.ui.launch import LaunchError, LaunchOptions, _is_orphan, _login, check


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.3.2.1"])
def test_this_machine_alone_needs_no_login(host: str) -> None:
    check(LaunchOptions(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "hospital.example"])
def test_other_machines_need_a_login_or_a_clear_word(host: str, tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="--auth"):
        check(LaunchOptions(host=host))
    check(LaunchOptions(host=host, insecure=True))
    check(LaunchOptions(host=host, auth="reader:file"))


def test_the_login_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("senha çã\n", encoding="utf-8")
    known = _login(f"reader:{file}")
    assert known is not None
    assert known("reader", "senha çã")
    assert not known("reader", "senha")
    assert not known("other", "senha çã")
    assert _login("") is None


@pytest.mark.parametrize("auth", ["reader", "reader:", ":file", "reader:/no/such/file"])
def test_a_login_that_cannot_be_read_is_refused(auth: str) -> None:
    with pytest.raises(LaunchError):
        _login(auth)


def test_an_empty_password_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("\n", encoding="utf-8")
    with pytest.raises(LaunchError, match="empty"):
        _login(f"reader:{file}")


def test_only_folders_of_ended_programs_are_orphans(tmp_path: Path) -> None:
    import os

    names = {f"boneage-page-{os.getpid()}-abc": False, "boneage-page-4194999-abc": True, "boneage-page-mine": False}
    for name, orphan in names.items():
        (tmp_path / name).mkdir()
        assert _is_orphan(tmp_path / name) is orphan, name


def page_entry():
    """Import app.py, which lies beside the package."""
    entry = Path(__file__).parent.parent.parent / "app.py"
    spec = importlib.util.spec_from_file_location("page_entry", entry)
    assert spec is not None
    assert spec.loader is not None
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    return app


def test_the_entry_shows_sentences_and_no_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    app = page_entry()
    assert app.main(["--host", "0.0.0.0"]) == 1
    assert capsys.readouterr().err.startswith("app.py: 0.0.0.0 can be reached from other machines")
    assert app.parse([]).model is None


def test_a_place_for_uploads_that_is_none_is_said_in_a_sentence(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    monkeypatch.setattr("boneage.ui.launch.signal.signal", lambda *given: None)
    assert page_entry().main(["--model", "shipped", "--port", "0"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("app.py: ") and str(tmp_path / "gone") in said and said.count("\n") == 1
