"""Soak the listener: 200 films over 8 associations, killed again and again, with a damaged film among them.

    python benchmarks/soak_listener.py [--films 200] [--associations 8] [--kills 5]

Uses the fast stand-in cascade of the tests: what is measured is the spool, the network and the result objects.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.hospital.films import film_bytes
from tests.hospital.network import SENDER, Archive, Process, send, until
from tests.hospital.test_listener import damaged, uid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--associations", type=int, default=8)
    parser.add_argument("--kills", type=int, default=5)
    args = parser.parse_args()
    films = [film_bytes(30 + number % 180, number=number) for number in range(args.films)]
    with tempfile.TemporaryDirectory() as folder:
        soak(films, args.associations, args.kills, Path(folder))


def soak(films: list[bytes], associations: int, kills: int, folder: Path) -> None:
    archive, count, began = Archive(), folder / "estimates", time.monotonic()
    command = ["--out", str(folder / "out"), "--allow", SENDER, "--send", f"127.0.0.1:{archive.port}:PACS"]
    left, acknowledged, sends = [*films, damaged()], 0, 0
    for turn in range(kills + 1):
        process = Process(*command, seconds=0.02, count=str(count))
        if turn < kills:  # in the midst of receiving, estimating and sending
            threading.Timer(1.0 + 1.5 * turn, process.kill).start()
        answers = send(left, process.port, associations)
        sends += len(left)
        acknowledged += sum(answer == 0 for answer in answers)
        left = [film for film, answer in zip(left, answers, strict=True) if answer != 0]
        if turn < kills:
            process.process.wait()
    assert not left, f"{len(left)} films were never acknowledged"
    until(lambda: (state := process.state())["waiting"] == state["unsent"] == 0 and state, 600)
    print(json.dumps(process.state()))
    process.end()
    objects = set(archive.received)
    assert Counter(source for _, _, source in objects) == {uid(film): 2 for film in films}
    outcomes = Counter(json.loads(path.read_text())["outcome"] for path in (folder / "out/answered").glob("*.json"))
    estimates = count.read_text().count("\n")
    print(f"{len(films)} films, {associations} associations, {kills} kills, {time.monotonic() - began:.0f} s")
    print(f"sent {sends} times, acknowledged {acknowledged}; answered {dict(outcomes)}; estimates begun {estimates}")
    again = len(archive.received) - len(objects)
    print(f"objects in the archive {len(objects)} (wanted {2 * len(films)}), sent again {again}")
    assert estimates <= len(films) + kills, "a film was estimated twice without a kill"
    archive.stop()


if __name__ == "__main__":
    main()
