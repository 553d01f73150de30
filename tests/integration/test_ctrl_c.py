"""Ctrl-C in real commands, as a terminal sends it, at many moments: status 130, no traceback, no run left open."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from boneage.paths import workspace

ROOT = Path(__file__).parents[2]
SECONDS = 300
CONFIG = """
[study]
name = "halted"
[[data.sources]]
name = "phantoms"
layout = "phantom"
path = "phantoms"
count = 96
seed = 3
[preprocess]
background = "none"
size = 160
[classifier]
standardize = true
[regressor]
standardize = true
[training]
epochs = 40
patience = 40
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory, store_template):
    """A project of its own whose images are prepared already, so that training begins soon."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "mlruns").mkdir()
    (folder / "mlruns" / "mlflow.db").write_bytes(store_template.read_bytes())
    (folder / "tiny.toml").write_text(CONFIG)
    patch = pytest.MonkeyPatch()
    patch.setenv("BONEAGE_HOME", str(folder))
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    prepare = [sys.executable, "-m", "boneage.cli", "prepare", str(folder / "tiny.toml")]
    subprocess.run(prepare, cwd=ROOT, check=True, capture_output=True, timeout=SECONDS)
    yield folder
    patch.undo()


@pytest.fixture(scope="module")
def client(home):
    from boneage.tracking.store import open_store

    return open_store(f"sqlite:///{home / 'mlruns' / 'mlflow.db'}")


class Pressed:
    """A command in a session of its own, to which Ctrl-C is sent as a terminal does: all its processes get it."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            [sys.executable, "-m", *map(str, command)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A test runner in the background may be deaf to Ctrl-C; a command in a terminal is not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def when(self, ready, then=0.0):
        """Press once something is true and some more seconds have passed."""
        end = time.monotonic() + SECONDS
        while not ready() and time.monotonic() < end and self.process.poll() is None:
            time.sleep(0.02)
        time.sleep(then)
        assert self.process.poll() is None, f"it ended before it could be stopped: {self.process.communicate()[0]}"
        os.killpg(self.process.pid, signal.SIGINT)
        return self

    def said(self):
        """Return the lines that it printed until it ended, as an interrupted command must end."""
        text = self.process.communicate(timeout=SECONDS)[0]
        assert self.process.returncode == 130, text
        assert "Traceback" not in text
        return text.strip().splitlines()


def runs(client, study, level):
    experiment = client.get_experiment_by_name(study)
    query = f"tags.level = '{level}'"
    return list(client.search_runs([experiment.experiment_id], query, max_results=500)) if experiment else []


def states(client, study):
    """Count a study's runs by their level and status; none may be open."""
    experiment = client.get_experiment_by_name(study).experiment_id
    found = client.search_runs([experiment], max_results=1000)
    counts = Counter((run.data.tags["level"], run.info.status) for run in found)
    assert not [each for each in counts if each[1] not in ("FINISHED", "KILLED")], counts
    return counts


def train(home, study, *more):
    return Pressed("boneage.cli", "train", home / "tiny.toml", "--set", f"study.name={study}", *more)


@pytest.mark.slow
@pytest.mark.parametrize("then", [0.0, 0.8])
def test_ctrl_c_while_the_very_first_fold_is_traced(home, client, then):
    study = f"first-{then}"
    said = train(home, study).when(lambda: runs(client, study, "trial"), then).said()
    assert [line[:17] for line in said] == ["boneage: stopping", "boneage: stopped;"], said
    assert said[-1].endswith("give the same command again to continue")
    counts = states(client, study)
    assert counts[("trial", "KILLED")] == counts[("model", "KILLED")] == counts[("study", "KILLED")] == 1
    assert counts[("fold", "FINISHED")] >= 1, "the fold under way was finished"


@pytest.mark.slow
def test_a_second_ctrl_c_while_tracing_stops_at_once(home, client):
    study = "twice"
    command = train(home, study, "--set", "training.epochs=100000", "--set", "training.patience=100000")
    command.when(lambda: runs(client, study, "trial")).when(lambda: True, 0.3)
    assert command.said()[-1].startswith("boneage: stopped;")
    assert not states(client, study)[("fold", "FINISHED")]


@pytest.mark.slow
def test_ctrl_c_between_models(home, client):
    study = "later"
    said = train(home, study).when(lambda: runs(client, study, "final")).said()
    assert len(said) == 2 and "stopped" in said[-1]
    assert states(client, study)[("study", "KILLED")] == 1


@pytest.mark.slow
def test_ctrl_c_between_folds_and_the_same_command_goes_on(home, client):
    arguments = ("--set", "training.epochs=2", "--set", "training.patience=1")
    said = train(home, "again", *arguments).when(lambda: runs(client, "again", "fold")).said()
    assert len(said) == 2 and "stopped" in said[-1]
    assert states(client, "again")[("study", "KILLED")] == 1
    done = train(home, "again", *arguments).process
    assert done.wait(SECONDS) == 0, done.communicate()[0]
    assert states(client, "again")[("study", "FINISHED")] == 1
    assert states(client, "again")[("model", "FINISHED")] == 10


@pytest.mark.slow
@pytest.mark.parametrize("then", [0.0, 1.0])
def test_ctrl_c_before_anything_is_trained(home, client, then):
    """While libraries are loaded, and while images are prepared: the store has no run of it."""
    before = set((workspace() / "prepared").iterdir())
    command = train(home, f"early-{then}", "--set", f"preprocess.size={150 + int(then)}")
    ready = (lambda: set((workspace() / "prepared").iterdir()) - before) if then else (lambda: True)
    said = command.when(ready, 4.0 - 3.9 * then).said()
    assert said[-1].startswith("boneage: stopped;")
    assert not runs(client, f"early-{then}", "study")


@pytest.mark.slow
def test_ctrl_c_while_variants_are_fitted(home):
    study, out = "halted-ablation", home / "results.md"
    command = Pressed("boneage.cli", "ablate", home / "tiny.toml", "--set", f"study.name={study}", "--out", out,
                      "--set", "training.epochs=4", "--set", "training.patience=4")  # fmt: skip
    splits = workspace() / "studies" / study / "splits.json"
    said = command.when(splits.is_file, 2.0).said()
    assert said[-1].endswith("give the same command again to continue") and not out.exists()


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["images", "features"])
def test_ctrl_c_in_prepare_keeps_what_is_done(home, stage):
    size = {"images": 140, "features": 144}[stage]
    folders = {"images": workspace() / "prepared", "features": workspace() / "features"}
    files = {"images": "*/*.png", "features": "*/*/keys.txt"}[stage]
    before = set(folders[stage].rglob("*"))

    def ready():
        return [file for file in set(folders[stage].rglob("*")) - before if file.match(files)]

    command = Pressed("boneage.cli", "prepare", home / "tiny.toml", "--set", f"preprocess.size={size}")
    said = command.when(ready).said()
    assert len(said) == 2 and said[-1].endswith("give the same command again to continue")
    assert "prepared images and features are kept" in said[-1]


@pytest.mark.slow
def test_ctrl_c_in_a_search_stops_all_workers_after_their_fold(home, client):
    """Four models and two workers: those that no worker came to are ended, too."""
    keys = ["regressor-male-2", "regressor-female-2", "regressor-male-3", "regressor-female-3"]
    arguments = [home / "tiny.toml", "--models", *keys, "--workers", "2", "--trials", "2", "--set", "study.name=sought"]
    said = Pressed("tuning", *arguments).when(lambda: runs(client, "sought", "fold")).said()
    assert "stopping after the image or fold under way" in "\n".join(said)
    assert said[-1].endswith(f"python -m tuning {' '.join(map(str, arguments))}")
    counts = states(client, "sought")
    assert counts[("model", "KILLED")] == 4
    assert not counts[("fold", "KILLED")], "the folds under way were finished"


@pytest.mark.slow
def test_ctrl_c_in_a_search_upstream_ends_its_runs(home, client):
    outer = ["--trials", "1", "--set", "study.name=upstream"]
    command = Pressed("tuning.outer", home / "tiny.toml", *outer)
    said = command.when(lambda: runs(client, "upstream-outer", "outer"), 3.0).said()
    assert "python -m tuning.outer" in said[-1]
    assert states(client, "upstream-outer") == {("outer-study", "KILLED"): 1, ("outer", "KILLED"): 1}
