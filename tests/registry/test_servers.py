"""Real servers: a tracking server instead of the file, and `mlflow models serve` on a registered cascade."""

import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest

from boneage.cascade.bundle import save_bundle
from boneage.cascade.cascade import Cascade
from boneage.cascade.parity import Films
from boneage.cascade.routing import Head
from boneage.cli import main
from boneage.config import BackboneConfig, Config, PreprocessConfig, StudyConfig
from boneage.groups import ALL_MODELS, ModelKey
from boneage.learn.heads import initial_weights
from boneage.preprocess.preparer import Preparer
from boneage.registry.promotion import promote
from boneage.registry.register import load_cascade, register_cascade
from boneage.registry.versions import show
from boneage.tracking.runs import StudyTracker
from boneage.tracking.store import open_store

from .conftest import PARAMETERS

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def started(command, url, environment, log):
    """Start a server and wait until it answers."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=environment, stdout=out, stderr=out, cwd=log.parent, start_new_session=True
        )
    for _ in range(240):
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=2)
            return process
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    process.terminate()
    raise AssertionError(log.read_text()[-3000:])


def stop(process):
    os.killpg(process.pid, 15)
    process.wait(30)


@pytest.fixture
def environment():
    extra = {"PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true", "TF_CPP_MIN_LOG_LEVEL": "3"}
    extra |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    return {**os.environ, **extra, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def test_everything_works_against_a_tracking_server(store, submit, config, fold, tmp_path, environment, monkeypatch):
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    files = ["--artifacts-destination", str(tmp_path / "served")]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", *files]
    command += ["--backend-store-uri", store.tracking_uri]
    server = started(command, f"{uri}/health", environment, tmp_path / "server.log")
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        client = open_store()
        tracker = StudyTracker(client, config, "ab" * 32)
        key = ModelKey.parse("classifier-male")
        with tracker.study_run() as run, tracker.model_run(key), tracker.trial_run(key, 0, {"width_1": 6}) as trial:
            tracker.log_fold(trial, key, 0, fold)
            tracker.log_text(run, "kept", "note.txt")
        first = submit()
        submission = type(first)(**{**vars(first), "run_id": run})
        assert register_cascade(client, submission) == 1
        assert promote(client, "tiny-cascade").version == 1
        loaded = load_cascade("models:/tiny-cascade@champion")
        assert (loaded.model, loaded.version) == ("tiny-cascade", "1")
        assert show(client, "tiny-cascade").tags["study"] == "tiny"
    finally:
        stop(server)


@pytest.fixture
def real_bundle(tmp_path, monkeypatch):
    """A bundle whose backbone is a real network with random weights."""
    monkeypatch.undo()
    backbones = pytest.importorskip("boneage.learn.backbones")
    preprocess = PreprocessConfig(background="none", size=96)
    backbone = BackboneConfig(name="handnet", weights="none")
    config = Config(study=StudyConfig(name="tiny", prefix="tiny"), preprocess=preprocess, backbone=backbone)
    network = backbones.open_backbone(backbone, preprocess.size)
    heads = {
        key: Head(key, PARAMETERS, tuple(initial_weights(key.task, network.features, PARAMETERS, seed)))
        for seed, key in enumerate(ALL_MODELS)
    }
    films = Films(np.random.default_rng(1).integers(0, 256, (2, 96, 96), dtype=np.uint8), ["female", "male"])
    return save_bundle(Cascade(Preparer(preprocess), network, heads, config), tmp_path / "real", films)


def test_the_served_cascade_answers_over_http_as_the_command_does(
    real_bundle, store, submit, tmp_path, environment, capsys
):
    first = submit()
    register_cascade(store, type(first)(**{**vars(first), "bundle": real_bundle}))
    promote(store, "tiny-cascade")
    uri = "models:/tiny-cascade@champion"
    image = cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (120, 90)).astype(np.uint8))[1].tobytes()
    file = tmp_path / "film.png"
    file.write_bytes(image)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", uri, "-p", str(port), "--env-manager", "local"]
    environment = {**environment, "MLFLOW_TRACKING_URI": store.tracking_uri, "MLFLOW_REGISTRY_URI": store.tracking_uri}
    server = started(command, f"{address}/health", environment, tmp_path / "serve.log")
    try:
        row = {"image": base64.b64encode(image).decode(), "sex": "female"}
        capsys.readouterr()
        assert main(["predict", str(file), "--sex", "female", "--model", uri, "--format", "json"]) == 0
        expected = json.loads(capsys.readouterr().out.splitlines()[0])
        assert expected.pop("image") == str(file)
        for body in (
            {"dataframe_records": [row]},
            {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}},
        ):
            (answer,) = ask(f"{address}/invocations", body)["predictions"]
            assert answer["bone_age_months"] == pytest.approx(expected["bone_age_months"], abs=0.01)
            assert {**answer, "bone_age_months": 0} == {**expected, "bone_age_months": 0}
        printed = "\n".join(row["image"][start : start + 76] for start in range(0, len(row["image"]), 76))
        rows = [{**row, "image": printed}, {**row, "image": f"data:image/png;base64,{printed}"}, {**row, "sex": "x"}]
        first, second, bad = ask(f"{address}/invocations", {"dataframe_records": rows})["predictions"]
        assert first["bone_age_months"] == second["bone_age_months"] == answer["bone_age_months"]
        assert bad["error"].startswith("sex must be") and bad["bone_age_months"] is None
        for body, status, words in (
            ({"dataframe_records": [{**row, "age_rang": "0-57"}]}, 400, b"but age_rang came"),
            ({"dataframe_records": [{"image": row["image"]}]}, 400, b"sex"),
            ({"dataframe_records": [{**row, "image": "A" * (50 * 2**20)}]}, 413, b"at most 48 MB"),
        ):
            with pytest.raises(urllib.error.HTTPError) as refused:
                ask(f"{address}/invocations", body)
            assert refused.value.code == status and words in refused.value.read()
        compared = {**row, "chronological_months": 100, "table": "brush-foundation"}
        (answer,) = ask(f"{address}/invocations", {"dataframe_records": [compared]})["predictions"]
        assert (answer["table"], answer["chronological_months"]) == ("Brush Foundation", 100)
        assert answer["z_score"] == pytest.approx(answer["difference_months"] / answer["sd_months"], abs=0.01)
        assert answer["probability_advanced"] is None, "without intervals the model's own error is not known"
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(f"{address}/invocations", {"dataframe_records": [{"image": "bm90IGFuIGltYWdl", "sex": "female"}]})
        assert refused.value.code == 400
        assert b"row 0" in refused.value.read()
    finally:
        stop(server)


def ask(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
