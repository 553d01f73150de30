"""Facts about audits: the same film is found however it was stored, leaks stop, and every problem has a name."""

from __future__ import annotations

import json
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from boneage.audit.audit import audit, collect_folder, collect_study
from boneage.audit.duplicates import find_pairs, refuse_near_copies
from boneage.audit.films import read_films
from boneage.audit.labels import heaping, kind_of, problem_counts
from boneage.audit.page import page
from boneage.cli import main
from boneage.config import from_mapping
from boneage.data.fingerprint import agreement, candidates, fingerprint, likeness, same_film
from boneage.data.splits import SplitError
from boneage.phantom.dataset import write_dataset


def film(seed: int, side: int = 160) -> np.ndarray:
    """A film like no other: smooth blobs, uint8 (side, side * 3 / 4)."""
    rng = np.random.default_rng(seed)
    blobs = cv2.GaussianBlur(rng.standard_normal((side, side * 3 // 4)).astype(np.float32), (0, 0), side / 14)
    return np.rint(255 * (blobs - blobs.min()) / np.ptp(blobs)).astype(np.uint8)


def jpeg(picture, quality):
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


CHANGES = {
    "poor JPEG": lambda f: jpeg(f, 30),
    "half size": lambda f: cv2.resize(f, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "squeezed to a square": lambda f: cv2.resize(f, (100, 100), interpolation=cv2.INTER_AREA),
    "brighter": lambda f: np.rint(255 * (f / 255.0) ** 0.6).astype(np.uint8),
    "equalised": cv2.equalizeHist,
    "inverted": lambda f: 255 - f,
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_film_is_recognised_however_it_was_stored(change):
    one, other = film(1), CHANGES[change](film(1))
    assert list(candidates([fingerprint(one)], [fingerprint(other)])) == [(0, 0)]
    assert same_film(one, other)


def test_different_films_are_different():
    prints = [fingerprint(film(seed)) for seed in range(60)]
    assert list(candidates(prints)) == []
    assert likeness(film(1), film(2)) < 0.5
    assert agreement(prints[0], prints[0]) == 1


def test_blank_films_are_like_nothing():
    assert fingerprint(np.full((40, 40), 7, np.uint8)) == ""
    assert list(candidates(["", "", fingerprint(film(1))])) == []


@pytest.fixture
def folder(tmp_path):
    """Labelled films: 1 twice exactly (as 2), 3 again as a poor JPEG (4), one broken, one without a row, bad rows."""
    root = tmp_path / "films"
    root.mkdir()
    for name, seed in (("1", 1), ("2", 1), ("3", 3), ("5", 5), ("6", 6), ("without", 9)):
        Image.fromarray(film(seed)).save(root / f"{name}.png")
    Image.fromarray(film(3)).save(root / "4.jpg", quality=40)
    (root / "7.png").write_bytes((root / "6.png").read_bytes()[:400])
    rows = ["1,True,60", "2,True,60", "3,False,72", "4,False,84", "5,False,84", "6,False,100.5", "7,True,90"]
    rows += ["8,True,90", "9,True,900", "10,who,90", "11,True,", "5,False,84"]
    (root / "ages.csv").write_text("id,male,boneage\n" + "\n".join(rows) + "\n")
    for name in ("9", "10", "11"):
        Image.fromarray(film(int(name) + 20)).save(root / f"{name}.png")
    return root


def silent(_name):
    return lambda done, total: None


def test_everything_wrong_with_a_folder_is_listed_and_counted(folder):
    found = audit(collect_folder(folder), silent, workers=1)
    assert set(found.table["id"]) == {"1", "2", "3", "4", "5", "6"}
    assert problem_counts(found.problems) == {
        "duplicated id": 1,
        "unreadable file": 1,
        "row without an image": 1,
        "age out of range": 1,
        "unknown sex": 1,
        "no age": 1,
        "image without a row": 1,
    }
    assert [(pair.one, pair.other, pair.exact) for pair in found.pairs] == [("1", "2", True), ("3", "4", False)]
    assert "labelled female 72 and female 84 months" in found.pairs[1].sentence()
    assert found.leaks == ()
    figures = heaping(found.table).iloc[0]
    assert (figures["multiples_of_12"], figures["multiples_of_6"]) == (0.8333, 0.8333)
    assert figures["whole_months"] == 0.8333


def test_the_same_film_in_training_and_test_is_a_leak(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path))
    other = tmp_path / "hospital"
    other.mkdir()
    Image.fromarray(film(5)).resize((60, 80)).save(other / "h1.png")
    Image.fromarray(film(55)).save(other / "h2.png")
    (other / "ages.csv").write_text("id,sex,boneage\nh1,F,84\nh2,M,90\n")
    sources = [{"name": "films", "path": "films"}, {"name": "hospital", "path": "hospital", "role": "test"}]
    data = {"root": str(tmp_path), "folds": 2, "sources": sources}
    config = from_mapping({"study": {"name": "audited"}, "data": data})
    found = audit(collect_study(config), silent, workers=1)
    assert set(found.table["set"]) == {"train", "validation", "test"}
    leaks = {frozenset((pair.one, pair.other)) for pair in found.leaks}
    assert frozenset(("5", "h1")) in leaks
    assert not list((tmp_path / "workspace").rglob("splits.json")), "an audit draws nothing for good"


def test_labels_only_reads_no_film(folder):
    (folder / "1.png").write_bytes(b"")
    found = audit(collect_folder(folder), silent, labels_only=True)
    assert len(found.table) == 7
    assert not found.films_read
    assert "not read" in page(found, "x")


def test_films_are_looked_at_alike_by_one_and_two_processes(folder):
    table = collect_folder(folder).table
    one, _ = read_films(table, workers=1)
    two, _ = read_films(table, workers=2)
    assert one.equals(two)
    assert len(find_pairs(two)) == 2


def test_the_page_stands_alone_and_escapes_names(folder):
    (folder / "<script>alert(1)<").mkdir()
    Image.fromarray(film(77)).save(folder / "<script>alert(1)<" / "b.png")
    text = page(audit(collect_folder(folder), silent, workers=1), "<b>films</b>")
    assert "<script" not in text and "<b>films" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("data:image/png") == 3
    assert text.count("data:image/jpeg") >= 6
    assert "3 = 4: the same film" in text


def test_the_command_writes_table_json_and_page(folder, tmp_path, capsys):
    files = [str(tmp_path / name) for name in ("problems.csv", "audit.json", "audit.html")]
    arguments = ["audit", str(folder), "--workers", "1", "--out", files[0], "--json", files[1], "--html", files[2]]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "RSNA training layout" in shown
    assert "2 pairs of rows show the same film" in shown
    content = json.loads((tmp_path / "audit.json").read_text())
    assert content["problem_kinds"]["unreadable file"] == 1
    assert [pair["exact"] for pair in content["duplicates"]] == [True, False]
    assert (tmp_path / "audit.html").read_text().startswith("<!doctype html>")


def test_the_commands_status_is_1_when_a_film_leaks(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path))
    write_dataset(tmp_path / "a", 4, 1)
    write_dataset(tmp_path / "b", 4, 1)
    config = tmp_path / "c.toml"
    sources = '[[data.sources]]\nname="a"\npath="a"\n[[data.sources]]\nname="b"\npath="b"\nrole="test"\n'
    config.write_text(f'[study]\nname="leaky"\n[data]\nroot={json.dumps(str(tmp_path))}\nfolds=2\n{sources}')
    assert main(["audit", str(config), "--json", "-"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["leaks"] == 4
    assert "stops a study" in captured.err


def test_reasons_have_kinds():
    assert kind_of("2 rows of this id contradict each other: none is used") == "contradicting labels of one id"
    assert kind_of("x.png is damaged or cut off (bad): export the image again") == "unreadable file"


def test_a_study_stops_at_the_same_film_stored_in_two_ways(folder, tmp_path):
    table = collect_folder(folder).table
    prints = {name: fingerprint(film(int(name))) for name in ("1", "3", "5")} | {"4": fingerprint(film(3))}
    part = {name: (table, {key: prints[key] for key in ids}) for name, ids in (("training", "13"), ("validation", "5"))}
    refuse_near_copies(part)
    with pytest.raises(SplitError, match=r"1 films are in two sets.*3 \(training\) = 4 \(test\)"):
        refuse_near_copies(part | {"test": (table, {"4": prints["4"], "5": ""})})
