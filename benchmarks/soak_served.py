"""Let clients ask a served cascade for minutes: `python benchmarks/soak_served.py [--seconds 300] [--clients 16]`.

Starts `mlflow models serve` (`--workers N`, 1) on the promoted cascade of the store (`make setup` brings the shipped
one), asks for each film once, then with all clients at once, one to three films a request, some of them bad. Every
answer must be that of the single call, and the memory flat: it is printed for every quarter of the time.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from random import Random

from soaking import ROOT, Tally, draw_films, memory_mib, run_clients, say

Row = dict[str, str | bool]
BAD: Row = {"image": "bm90IGFuIGltYWdl", "sex": "female", "anyway": True}


def main() -> int:
    """Serve, ask, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--model", default="models:/boneage-cascade@champion")
    asked = parser.parse_args()
    server, url = serve(asked.model, asked.workers)
    try:
        with tempfile.TemporaryDirectory() as folder:
            films = [base64.b64encode(film.read_bytes()).decode() for film in draw_films(Path(folder), 8)]
            sexes = ("female", "male")
            # Drawn hands may be refused by the gate, which is not what is soaked here.
            rows: list[Row] = [
                {"image": film, "sex": sexes[number % 2], "anyway": True} for number, film in enumerate(films)
            ]
        return soak(url, rows, asked, server.pid)
    finally:
        server.terminate()
        server.wait(60)


def soak(url: str, rows: list[Row], asked: argparse.Namespace, pid: int) -> int:
    """Ask for each row once, then for all of them from many clients; return how many answers were wrong."""
    single = [ask(url, [row])[0] for row in rows]
    tally, held = Tally(), []
    timers = [threading.Timer(asked.seconds * part / 4, lambda: held.append(memory_mib(pid))) for part in (1, 2, 3)]
    for timer in timers:
        timer.start()

    def request(client: int, chance: Random) -> None:
        chosen = [chance.randrange(len(rows)) for _ in range(chance.randint(1, 3))]
        with_bad = len(chosen) > 1 and chance.random() < 0.3
        answers = ask(url, [*(rows[number] for number in chosen), *([BAD] if with_bad else [])])
        tally.count("requests")
        for number, answer in zip(chosen, answers, strict=False):
            tally.count("films")
            wanted = single[number] | ({"error": None, "error_code": None} if with_bad else {})
            if answer != wanted:
                tally.fault(f"client {client}: film {number} was answered {answer} instead of {wanted}")
        if with_bad and not answers[-1]["error"]:
            tally.fault("a bad row had no error")

    began = time.monotonic()
    run_clients(asked.clients, asked.seconds, request)
    spent = time.monotonic() - began
    held.append(memory_mib(pid))
    say(f"{asked.clients} clients, {asked.workers} processes, {spent:.0f} s: {tally.counts['requests']} requests, "
        f"{tally.counts['films']} films ({tally.counts['films'] / spent:.2f} a second)")  # fmt: skip
    memory = ", ".join(f"{each:.0f}" for each in held)
    say(f"wrong answers: {len(tally.faults)}; memory of all processes after each quarter (MiB): {memory}")
    for fault in tally.faults[:5]:
        say(fault)
    return len(tally.faults)


def ask(url: str, rows: list[Row]) -> list[dict[str, object]]:
    """Send rows to the scoring server; return its answers."""
    body = json.dumps({"dataframe_records": rows}).encode()
    request = urllib.request.Request(f"{url}/invocations", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310 (this machine)
        return list(json.load(answer)["predictions"])


def serve(model: str, workers: int) -> tuple[subprocess.Popen[bytes], str]:
    """Start the scoring server and wait until it answers."""
    from boneage.tracking.store import store_uri

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    command += ["-p", str(port), "--workers", str(workers), "--timeout", "600"]
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": store_uri(), "TF_CPP_MIN_LOG_LEVEL": "3",
        "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": "600", "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{url}/health", timeout=2)  # noqa: S310 (this machine)
            return server, url
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    server.terminate()
    raise SystemExit("the scoring server did not start")


if __name__ == "__main__":
    sys.exit(main())
