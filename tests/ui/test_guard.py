"""What the page's server never gives away: uploads, the store, flagged cases, other servers' pages, tracebacks."""

from __future__ import annotations

import json
import struct
import threading
import urllib.error
import urllib.request
import zlib
from concurrent.futures import FIRST_COMPLETED, wait
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from page_fakes import Running, hand_pixels, write_png

from boneage.ui.launch import MAX_WAITING, LaunchError, mlflow_address
from boneage.ui.visit_files import Visits


def get(url: str) -> tuple[int, dict[str, str]]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers)


def upload(running: Running, name: str, content: bytes) -> tuple[int, list[str]]:
    """Upload as the browser does; return the status and the paths in the cache."""
    mark = "----boundary"
    head = f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{mark}--\r\n".encode()
    asked = urllib.request.Request(f"{running.url}gradio_api/upload", data=body)
    asked.add_header("Content-Type", f"multipart/form-data; boundary={mark}")
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, []


def test_an_upload_is_served_to_nobody(running: Running, hand: Path) -> None:
    status, paths = upload(running, "hand.png", hand.read_bytes())
    assert status == 200
    assert Path(paths[0]).is_file()
    for path in (paths[0], paths[0].replace("/hand.png", "/../" + Path(paths[0]).parent.name + "/hand.png")):
        assert get(f"{running.url}gradio_api/file={path}")[0] == 403
        assert get(f"{running.url}file={path}")[0] in {403, 404}


def test_the_server_fetches_no_address_for_a_visitor(running: Running) -> None:
    for address in ("http://127.0.0.1:1/x", "https://example.org/", "//example.org/x"):
        assert get(f"{running.url}gradio_api/file={address}")[0] == 403


def test_what_is_made_for_a_visitor_is_not_kept_by_the_browser(running: Running) -> None:
    made = running.services.downloads.write("report.html", "<p>mine</p>", "somebody")
    status, headers = get(f"{running.url}gradio_api/file={made}")
    assert (status, headers["cache-control"]) == (200, "no-store")
    running.services.visits.end("somebody")
    assert get(f"{running.url}gradio_api/file={made}")[0] == 403


def test_every_answer_tells_the_browser_to_ask_nobody_else(running: Running) -> None:
    headers = get(running.url)[1]
    assert "connect-src 'self'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"


def test_too_large_an_upload_is_refused_and_not_kept(running: Running) -> None:
    status, _ = upload(running, "huge.png", b"\0" * (65 * 1024 * 1024))
    assert status == 413
    assert not list(running.cache.glob("*/huge.png"))


def png_header(width: int, height: int) -> bytes:
    """A tiny PNG that promises an enormous picture."""
    parts = b"\x89PNG\r\n\x1a\n"
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0" * 64)))
    for kind, content in (*chunks, (b"IEND", b"")):
        parts += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return parts


def test_more_pixels_than_the_limit_are_refused_before_decoding(running: Running, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_header(60_000, 60_000))
    with pytest.raises(AppError, match="64 million"):
        Client(running.url, verbose=False).predict(file=handle_file(str(bomb)), sex="male", api_name="/predict")


def test_when_too_many_wait_the_next_is_told_that_the_page_is_busy(running: Running, hand: Path) -> None:
    client = Client(running.url, verbose=False, max_workers=MAX_WAITING + 12)
    held = threading.Thread(target=running.services.service.turn.acquire)
    held.start()
    held.join()
    try:
        file = handle_file(str(hand))
        jobs = [client.submit(file=file, sex="female", api_name="/predict") for _ in range(MAX_WAITING + 12)]
        # None can be answered while the model is held, so whoever is done has been refused.
        refused = wait(jobs, timeout=120, return_when=FIRST_COMPLETED).done
        words = {str(job.exception()).lower() for job in refused}
        assert words
        assert all("queue" in said or "busy" in said for said in words)
    finally:
        running.services.service.turn.release()
    answered = [job for job in jobs if job.exception(timeout=120) is None]
    assert len(answered) >= MAX_WAITING
    assert {job.result()["bone_age_months"] for job in answered} == {86.5}


def test_a_file_that_two_visits_share_stays_until_both_have_ended(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    shared, mine, foreign = folder / "shared.png", folder / "mine.png", tmp_path / "foreign.png"
    for file in (shared, mine, foreign):
        write_png(file, hand_pixels(40, 40))
    visits = Visits(folder)
    visits.keep("one", [str(shared), str(mine), str(foreign), None])
    visits.keep("two", [str(shared)])
    visits.end("one")
    assert (shared.exists(), mine.exists(), foreign.exists()) == (True, False, True)
    visits.end("two")
    visits.end("never came")
    assert not shared.exists()


def test_links_go_where_the_mlflow_ui_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert mlflow_address("") == "http://127.0.0.1:5000"
    assert mlflow_address("https://mlflow.example") == "https://mlflow.example"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:8080")
    assert mlflow_address("") == "http://tracking.example:8080"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///x.db")
    assert mlflow_address("") == "http://127.0.0.1:5000"
    with pytest.raises(LaunchError, match="web address"):
        mlflow_address("javascript:alert(1)")
