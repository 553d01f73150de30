"""A whole tiny study against a tracking server: trained, registered, promoted, an image estimated, all over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
CONFIG = """
[study]
name = "served"
prefix = "served"
[[data.sources]]
name = "phantoms"
layout = "phantom"
path = "phantoms"
count = 64
seed = 3
[data]
folds = 2
[preprocess]
background = "none"
size = 96
[classifier]
width_1 = 64
[regressor]
width_1 = 64
[training]
epochs = 2
"""


@pytest.fixture
def server(tmp_path):
    """A tracking server with a store and artifacts of its own; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}", tmp_path / "server.log"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path / 'served.db'}"]
    command += ["--artifacts-destination", str(tmp_path / "served")]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with log.open("wb") as out:
        started = subprocess.Popen(command, env={**os.environ, **quiet}, stdout=out, stderr=out, start_new_session=True)
    try:
        _wait(url, started, log)
        yield url
    finally:
        os.killpg(started.pid, signal.SIGTERM)
        started.wait(30)


def _wait(url: str, started: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        if started.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"{url}/health", timeout=2)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise AssertionError(log.read_text()[-3000:])


def test_train_promote_and_predict_work_against_a_server(server, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "served.toml").write_text(CONFIG)
    environment = {**os.environ, "BONEAGE_HOME": str(home), "MLFLOW_TRACKING_URI": server, "TF_CPP_MIN_LOG_LEVEL": "3"}

    def boneage(*arguments: str) -> str:
        command = [sys.executable, "-m", "boneage.cli", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        return done.stdout

    out = boneage("train", str(home / "served.toml"), "--promote")
    assert "served-cascade version 1 is the champion" in out
    assert "served-cascade" in boneage("registry", "list")
    shown = boneage("registry", "show", "served-cascade")
    assert "data: train (training)" in shown and "TRIPOD+AI" in shown
    image = next((home / "workspace" / "phantoms").rglob("*.png"))
    uri = "models:/served-cascade@champion"
    printed = boneage("predict", str(image), "--sex", "male", "--model", uri, "--format", "json")
    answer = json.loads(printed.splitlines()[0])
    assert 0 <= answer["bone_age_months"] <= 228 and answer["version"] == "1"
    assert not (home / "mlruns" / "mlflow.db").exists(), "nothing may go to a local store"
