"""Let visitors use the page for minutes: `python benchmarks/soak_page.py [--seconds 600] [--visitors 50]`.

In a project of its own, with the cascade that ships registered twice: visitors upload films, save readings with them,
open the page in three languages, and send files that are none; after a third of the time the second version is
promoted, after two thirds the page is killed and started again. Every answer must be that of its film, every reading
that was acknowledged must lie in the store with its film, and memory and disk must be flat.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from soaking import ROOT, Growth, Tally, disk_mib, draw_films, memory_mib, run_clients, say

NAME = "boneage-cascade"


@dataclass
class Visits:
    """What the visitors do with a page, and what they saw.

    Attributes:
        url: returns the page's address now.
        films: what they upload.
        expected: the bone age that each film gets in a single call.
        saved_as: what each film is called in the flag store.
        kept: the readings that the page acknowledged, by that name.
    """

    url: Any
    films: list[Path]
    expected: dict[Path, float] = field(default_factory=dict)
    saved_as: dict[Path, str] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    kept: dict[str, set[float]] = field(default_factory=dict)
    _clients: dict[tuple[int, str], Any] = field(default_factory=dict)

    def visit(self, number: int, chance: Random) -> None:
        """Do one thing as one visitor; a page that is away for a moment is waited for."""
        import httpx
        from gradio_client.exceptions import AppError
        from gradio_client.utils import QueueError

        try:
            chance.choice((self.read, self.read, self.read, self.look, self.fail))(number, chance)
        except AppError as error:
            # Busy, or started anew between estimate and flag: said, and nothing saved.
            self.tally.count("refused")
            if not re.search(r"busy|queue|not known here|full", str(error), re.I):
                self.tally.fault(f"an unforeseen refusal: {error}")
        except QueueError:
            self.tally.count("refused as busy")
            time.sleep(1)
        # A call that was under way when the page was killed is cancelled by its client.
        except (OSError, httpx.HTTPError, ValueError, RuntimeError, CancelledError) as error:
            self.tally.count(f"page away ({type(error).__name__})")
            time.sleep(1)

    def learn(self) -> None:
        """Ask for each film once, alone: what every later answer must be."""
        from gradio_client import handle_file

        for film in self.films:
            answer = self.client(0).predict(file=handle_file(str(film)), sex="female", anyway=True, api_name="/predict")
            self.expected[film] = answer["bone_age_months"]

    def read(self, number: int, chance: Random) -> None:
        """Estimate a film, and save a reading with it."""
        from gradio_client import handle_file

        film, client = chance.choice(self.films), self.client(number)
        # Drawn hands may be refused by the gate, which is not what is soaked here.
        answer = client.predict(file=handle_file(str(film)), sex="female", anyway=True, api_name="/predict")
        self.tally.count("estimates")
        if answer["image"] != film.name or abs(answer["bone_age_months"] - self.expected[film]) > 0.01:
            self.tally.fault(f"{film.name} was answered {answer['image']}, {answer['bone_age_months']}")
        reading = round(chance.uniform(0, 228), 3)
        # What is written on a film is blacked out, once it was seen: the film is then saved under another hash.
        asked = {"reader_age_months": reading, "consent": True, "key": answer["key"], "text_seen": True}
        said = client.predict(**asked, api_name="/flag")
        self.tally.count("readings")
        known = self.saved_as.setdefault(film, said["saved"])
        self.kept.setdefault(known, set()).add(reading)
        if said["saved"] != known or list(self.saved_as.values()).count(known) != 1:
            self.tally.fault(f"the reading of {film.name} was saved with {said['saved']} instead of {known}")

    def look(self, number: int, chance: Random) -> None:
        """Open the page in some language."""
        headers = {"Accept-Language": chance.choice(("en", "pt-BR", "es"))}
        request = urllib.request.Request(self.url(), headers=headers)  # noqa: S310 (this machine)
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            answer.read()
        self.tally.count("pages")

    def fail(self, number: int, chance: Random) -> None:
        """Send a file that is none; what was read before must not be saved with the next reading."""
        from gradio_client import handle_file
        from gradio_client.exceptions import AppError

        client = self.client(number)
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            file.write(b"not an image")
            file.flush()
            for call in (
                lambda: client.predict(file=handle_file(file.name), sex="female", api_name="/predict"),
                lambda: client.predict(reader_age_months=1.0, consent=True, api_name="/flag"),
            ):
                try:
                    call()
                    self.tally.fault("a file that is none was estimated, or a reading saved after it")
                except AppError:
                    self.tally.count("rightly refused")

    def client(self, number: int) -> Any:
        """Return a visitor's client of the page that is up now."""
        from gradio_client import Client

        key = (number, self.url())
        if key not in self._clients:
            self._clients[key] = Client(key[1], verbose=False, httpx_kwargs={"timeout": 600})
        return self._clients[key]

    def lost(self, store: Any) -> list[str]:
        """Return what was acknowledged and is not in the flag store with its film."""
        history = store.history()
        there = {f"{name}.png": set(rows["reader_age_months"]) for name, rows in history.groupby("sha256")}
        return [
            f"{name}: readings {sorted(readings - there.get(name, set()))} are lost"
            for name, readings in self.kept.items()
            if not readings <= there.get(name, set()) or not (store.folder / "images" / name).is_file()
        ]

    def misread(self, store: Any) -> list[str]:
        """Return the saved films whose estimate is another film's."""
        ages = dict(zip(store.records()["image"], store.records()["estimated_age_months"], strict=True))
        return [
            f"{film.name} is kept with {ages.get(f'images/{name}')} months instead of {self.expected[film]}"
            for film, name in self.saved_as.items()
            if abs(ages.get(f"images/{name}", -99) - self.expected[film]) > 0.01
        ]


def main() -> int:
    """Set up, soak, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--visitors", type=int, default=50)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ["BONEAGE_HOME"], os.environ["TMPDIR"] = str(home), str(home / "tmp")
        (home / "tmp").mkdir()
        register_twice()
        page = Page(home)
        try:
            visits = Visits(lambda: page.url, draw_films(home / "films", 12))
            return soak(visits, page, asked)
        finally:
            page.stop()


def soak(visits: Visits, page: Page, asked: argparse.Namespace) -> int:
    """Let the visitors come, promote and kill in between, and say what was found."""
    from boneage.data.flags import FlagStore

    visits.learn()
    third, figures = asked.seconds / 3, []
    timers = [
        threading.Timer(third * 0.5, lambda: figures.append(page.figures())),
        threading.Timer(third, promote),
        threading.Timer(third * 1.9, lambda: figures.append(page.figures())),
        threading.Timer(third * 2, page.kill_and_start),
    ]
    growth = Growth(lambda: page.figures()[0], lambda: visits.tally.counts["estimates"])
    timers.append(threading.Timer(0, growth.watch, [third * 1.9]))
    for timer in timers:
        timer.start()
    run_clients(asked.visitors, asked.seconds, visits.visit)
    figures.append(page.figures())
    store = FlagStore(page.home / "flagged")
    lost = [*visits.lost(store), *visits.misread(store)]
    say(f"{asked.visitors} visitors, {asked.seconds:.0f} s: {dict(sorted(visits.tally.counts.items()))}")
    shown = "; ".join(f"{memory:.0f} and {disk:.1f}" for memory, disk in figures)
    say(f"memory and temporary files (MiB), twice before the page was killed, then at the end: {shown}")
    slope, error = growth.slope()
    say(f"before it was killed, once settled: {slope:.1f} MiB (standard error {error:.1f}) more per 100 estimates")
    say(f"the flag store: {disk_mib(page.home / 'flagged'):.1f} MiB")
    say(f"mixed up or unforeseen: {len(visits.tally.faults)}; lost: {len(lost)}")
    for sentence in (visits.tally.faults + lost)[:5]:
        say(sentence)
    return len(visits.tally.faults) + len(lost)


class Page:
    """`python app.py` in a project of its own."""

    def __init__(self, home: Path) -> None:
        self.home, self.url = home, ""
        self._start()

    def _start(self) -> None:
        command = [sys.executable, str(ROOT / "app.py"), "--port", "0", "--model", f"models:/{NAME}@champion"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        stream = self._process.stderr
        if stream is None:
            raise SystemExit("the page has no stderr")
        found = next(filter(None, (re.search(r"open at (\S+)", line) for line in stream)), None)
        if found is None:
            raise SystemExit("the page did not start")
        threading.Thread(target=lambda: [None for _ in stream], daemon=True).start()
        self.url = found[1]

    def figures(self) -> tuple[float, float]:
        """Return the page's memory and its temporary files, in MiB."""
        return memory_mib(self._process.pid), disk_mib(self.home / "tmp")

    def kill_and_start(self) -> None:
        """Kill the page as a fault of the machine would, and start it again."""
        self._process.kill()
        self._process.wait()
        self._start()

    def stop(self) -> None:
        """End the page politely."""
        self._process.terminate()
        self._process.wait(60)


def register_twice() -> None:
    """Register the cascade that ships, and a second version of the same files; the first is champion."""
    from boneage.registry.archive import import_shipped
    from boneage.registry.versions import show
    from boneage.tracking.store import open_store

    client = open_store()
    import_shipped(client)
    first = show(client, NAME)
    source = client.get_model_version(NAME, str(first.version)).source
    client.create_model_version(NAME, source, first.run_id, tags=dict(first.tags))


def promote() -> None:
    """Make the second version champion."""
    from boneage.tracking.store import open_store

    open_store().set_registered_model_alias(NAME, "champion", "2")


if __name__ == "__main__":
    sys.exit(main())
