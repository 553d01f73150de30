"""The listener with real DICOM over the loopback: nothing lost, nothing estimated twice, and what it refuses."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import urllib.request
from collections import Counter

import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, RLELossless

pytest.importorskip("pynetdicom")
pytest.importorskip("highdicom")

from io import BytesIO

from boneage.hospital.health import Health
from boneage.hospital.listener import Listener, Service, tls_context
from boneage.hospital.result import HospitalError, Question
from boneage.hospital.sender import Destination, Patience, Sender
from boneage.hospital.spool import Spool
from boneage.hospital.worker import Filters, Worker
from tests.hospital.films import cascade, film_bytes
from tests.hospital.network import SENDER, Archive, Process, associate, send, storescu, until

OUT_OF_RESOURCES = 0xA700


def damaged() -> bytes:
    """A film whose header is whole and whose pixels are not."""
    data = pydicom.dcmread(BytesIO(film_bytes(77, number=999)))
    data.PixelData = data.PixelData[:100]
    buffer = BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def uid(film: bytes) -> str:
    return pydicom.dcmread(BytesIO(film)).SOPInstanceUID


def test_a_killed_listener_loses_nothing_and_answers_nothing_twice(tmp_path):
    good = [film_bytes(60 + number, number=number) for number in range(8)]
    others = [damaged(), film_bytes(number=50, Modality="MR"), film_bytes(number=51, BodyPartExamined="CHEST"),
              film_bytes(number=52, PatientBirthDate="19800101")]  # fmt: skip
    archive, count = Archive(), tmp_path / "estimates"
    command = ["--out", str(tmp_path / "out"), "--allow", "MODALITY", "--send", f"127.0.0.1:{archive.port}:PACS"]
    first = Process(*command, seconds=0.2, count=str(count))
    assert send(good[:6] + others, first.port, associations=4) == [0] * 10
    until(lambda: count.is_file() and count.read_text().count("\n") >= 2)
    first.kill()
    waiting = len(list((tmp_path / "out" / "waiting").glob("*.dcm")))
    assert waiting > 2  # acknowledged and not answered when the process was killed
    second = Process(*command, count=str(count))
    assert storescu(good[4:], tmp_path / "sent", second.port) == 0  # two of them for the second time
    done = until(lambda: (state := second.state())["waiting"] == state["unsent"] == 0 and state)
    assert done["status"] == "ok" and done["model"] == "fake" and done["damaged"] == 1
    assert second.end() == 0
    objects = set(archive.received)  # one that was under way when it was killed is sent again, as the same object
    assert Counter(source for _, _, source in objects) == {uid(film): 2 for film in good}
    assert len(archive.received) - len(objects) <= 2
    assert count.read_text().count("\n") <= len(good) + 1  # the one that was under way when it was killed
    outcomes = Counter(
        json.loads(path.read_text())["outcome"] for path in (tmp_path / "out" / "answered").glob("*.json")
    )
    assert outcomes == {"estimated": 8, "failed": 1, "filtered": 3}
    archive.stop()
    said = (tmp_path / "out" / "log" / "boneage.log").read_text() + "".join(second.said + first.said)
    assert "Muster" not in said and "4711" not in said and uid(good[0]) not in said and "received from MODALITY" in said


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of 500 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_is_said_to_the_sender_and_no_film_is_lost(small_disk):
    (small_disk / "ballast").write_bytes(bytes(370_000))
    listener, worker, spool = serve(small_disk / "out")
    films = [film_bytes(60 + number, number=number) for number in range(12)]
    answers = send(films, listener.port)
    taken = [film for film, answer in zip(films, answers, strict=True) if answer == 0]
    assert OUT_OF_RESOURCES in answers and 3 < len(taken) < 12 and set(answers) == {0, OUT_OF_RESOURCES}
    assert listener.counts["not_stored"] == 12 - len(taken) and len(spool.waiting()) == len(taken)
    worker._try(spool.waiting()[0])  # its results do not fit either: it waits
    assert worker.counts["disk_pauses"] == 1 and len(spool.waiting()) == len(taken)
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    worker.run(until_empty=True)
    assert worker.counts["estimated"] == len(taken) and spool.waiting() == []
    assert not list(small_disk.rglob("*.part"))
    listener.stop()


def serve(folder, **service):
    """A listener and its worker, which is run by hand."""
    from boneage.hospital.dicom_out import write_dicom

    spool = Spool(folder)
    listener = Listener(Service(port=0, **{"allowed": (SENDER,), **service}), spool)
    listener.start()
    worker = Worker(
        spool, cascade(), Question(), Filters(), lambda result, key: [*write_dicom(result, folder / "results", key)]
    )
    worker.stopped.wait = lambda seconds: None
    return listener, worker, spool


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    made = serve(
        tmp_path_factory.mktemp("served") / "out", allowed=("MODALITY",), most_associations=2, most_bytes=2**20
    )
    yield made
    made[0].stop()


def test_it_answers_an_echo_and_only_those_that_it_knows(served):
    listener = served[0]
    link = associate(listener.port)
    assert link.send_c_echo().Status == 0
    link.release()
    assert not associate(listener.port, title="STRANGER").is_established
    assert not associate(listener.port, called="OTHER").is_established


def test_only_so_many_associations_at_once(served):
    links = [associate(served[0].port) for _ in range(3)]
    assert [link.is_established for link in links] == [True, True, False]
    for link in links[:2]:
        link.release()


def test_a_film_beyond_the_limit_is_cut_short(served):
    huge = film_bytes(Rows=2048, Columns=2048, PixelData=bytes(2048 * 2048), number=70)
    assert send([huge], served[0].port) == [None]
    until(lambda: served[0].counts["too_large"] == 1)
    assert send([film_bytes(88, number=71)], served[0].port) == [0]  # it is there for others as before


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, JPEGLSLossless, RLELossless]
)
def test_usual_transfer_syntaxes_are_taken(served, syntax):
    listener, worker, spool = served
    link = associate(listener.port, syntax=syntax)
    data = pydicom.dcmread(BytesIO(film_bytes(101, number=sum(map(ord, syntax)))))
    if syntax.is_encapsulated:
        data.compress(syntax, generate_instance_uid=False)
    if syntax.is_deflated:
        data.file_meta.TransferSyntaxUID = syntax
    assert link.send_c_store(data).Status == 0
    link.release()
    before = worker.counts["estimated"]
    worker.run(until_empty=True)
    assert worker.counts["estimated"] > before and spool.waiting() == []


def test_nobody_may_call_who_was_not_named(tmp_path, capsys):
    from boneage.cli import main

    assert main(["listen", "--port", "0", "--out", str(tmp_path / "out")]) == 1
    assert "--allow" in capsys.readouterr().err and not (tmp_path / "out").exists()
    with pytest.raises(HospitalError, match="AE title"):
        Service(title="A" * 17, allowed=(SENDER,))
    with pytest.raises(HospitalError, match="HOST:PORT:AE"):
        Destination.parse("archive")


def test_a_spool_has_one_process(served):
    with pytest.raises(HospitalError, match="another listener"):
        Spool(served[2].folder)


def test_what_cannot_be_delivered_is_tried_again_and_then_set_aside(tmp_path):
    _, worker, spool = serve(tmp_path / "out")
    worker._send = True
    spool.receive(film_bytes(90))
    worker.run(until_empty=True)
    archive = Archive()
    port = archive.port
    archive.stop()
    sender = Sender(spool, Destination("127.0.0.1", port, "PACS"), "BONEAGE", Patience(2, 0.0))
    sender.deliver()
    assert spool.counts()["unsent"] == 1 and sender.counts["send_failures"] == 1
    sender.deliver()
    assert spool.counts()["unsent"] == 0 and spool.counts()["dead-letter"] == 1
    letter = next((tmp_path / "out" / "dead-letter").glob("*.json"))
    shutil.move(letter, tmp_path / "out" / "unsent" / letter.name)
    archive = Archive(port)
    sender.deliver()
    assert len(archive.received) == 2 and spool.counts()["unsent"] == 0
    archive.stop()


def test_one_film_that_ends_the_process_is_set_aside(tmp_path, caplog):
    _, worker, spool = serve(tmp_path / "out")
    key = spool.receive(film_bytes(90))
    for _ in range(3):
        spool.starts(key)
    worker.run(until_empty=True)
    assert worker.counts["failed"] == 1 and spool.counts()["damaged"] == 1


def test_encrypted_connections(tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2",
                    "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", paths[1], "-out", paths[0]], check=True, capture_output=True)  # fmt: skip
    listener, worker, spool = serve(tmp_path / "out", tls=tls_context(*paths, paths[0], server=True))
    client = tls_context(*paths, paths[0], server=False)
    link = associate(listener.port, tls=(client, "127.0.0.1"))
    assert link.send_c_store(pydicom.dcmread(BytesIO(film_bytes(80)))).Status == 0
    link.release()
    assert len(spool.waiting()) == 1
    assert not associate(listener.port).is_established  # not in the clear
    listener.stop()
    archive, worker._send = Archive(tls=tls_context(*paths, paths[0], server=True)), True
    worker.run(until_empty=True)
    where = Destination("127.0.0.1", archive.port, "PACS")
    Sender(spool, where, "BONEAGE", Patience(2, 0.0)).deliver()
    assert spool.counts()["unsent"] == 1  # the archive takes nothing in the clear
    Sender(spool, where, "BONEAGE", Patience(3, 0.0), client).deliver()
    assert spool.counts()["unsent"] == 0 and len(archive.received) == 2
    archive.stop()
    with pytest.raises(HospitalError, match="cannot be used"):
        tls_context(paths[0], paths[0], None, server=True)


def test_metrics_are_numbers_and_a_dead_worker_is_said():
    alive = [True]
    health = Health("127.0.0.1", 0, lambda: {"received": 3, "dead-letter": 0}, lambda: alive[0], {"model": "fake"})
    address = f"http://127.0.0.1:{health.port}"
    with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:
        assert answer.read().decode().split() == [
            "boneage_up",
            "1",
            "boneage_received",
            "3",
            "boneage_dead_letter",
            "0",
        ]
    alive[0] = False
    with pytest.raises(urllib.error.HTTPError) as failing:
        urllib.request.urlopen(f"{address}/health", timeout=5)
    assert failing.value.code == 503
    health.stop()


def test_watch_answers_each_film_of_a_folder_once(tmp_path, monkeypatch, capsys):
    from boneage.cli import main

    monkeypatch.setattr("boneage.commands.listen.open_cascade", lambda uri: cascade())
    folder = tmp_path / "in" / "deep"
    folder.mkdir(parents=True)
    (folder / "one.dcm").write_bytes(film_bytes(90))
    (folder / "copy.dcm").write_bytes(film_bytes(90))
    (folder / "notes.txt").write_text("nothing")
    command = ["watch", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--once", "--fhir"]
    assert main(command) == 0
    assert "estimated 1" in capsys.readouterr().out
    assert len(list((tmp_path / "out" / "results").iterdir())) == 3
    assert main(command) == 0
    assert "estimated 0" in capsys.readouterr().out
    logging.getLogger("boneage.hospital").handlers.clear()
