"""Two machines share a study over PostgreSQL; the one that leads it is killed and goes on."""

from __future__ import annotations

import shutil
import signal

import mlflow
import optuna
import pytest

from boneage.cli import main as boneage
from tests import postgres
from tests.integration import shared

pytestmark = pytest.mark.skipif(bool(postgres.missing()), reason=postgres.missing())


@pytest.fixture
def homes(tmp_path, monkeypatch):
    """Two homes with the same data prepared, as two machines would have them."""
    first = shared.make_home(tmp_path / "first")
    monkeypatch.setenv("BONEAGE_HOME", str(first))
    assert boneage(["prepare", str(first / "shared.toml")]) == 0
    shutil.copytree(first, tmp_path / "second")
    return first, tmp_path / "second"


@pytest.mark.slow
def test_a_killed_leader_goes_on_and_no_trial_is_lost_or_doubled(homes, tmp_path, monkeypatch, capsys):
    with postgres.server("optuna", "mlflow") as address:
        stores = {"OPTUNA_STORAGE": f"{address}/optuna", "MLFLOW_TRACKING_URI": f"{address}/mlflow"}
        with monkeypatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", stores["MLFLOW_TRACKING_URI"])
            assert boneage(["store", "init"]) == 0
        assert "***@127.0.0.1" in capsys.readouterr().out
        logs = [tmp_path / "first.log", tmp_path / "second.log"]
        storage = optuna.storages.RDBStorage(stores["OPTUNA_STORAGE"])
        _run_two_machines(homes, logs, stores, storage)

        client = mlflow.MlflowClient(stores["MLFLOW_TRACKING_URI"], stores["MLFLOW_TRACKING_URI"])
        found = shared.check_nothing_lost_or_doubled(storage, client)
        failed = [trial for study in found for trial in study.get_trials(states=(optuna.trial.TrialState.FAIL,))]
        assert failed, "the killed machine's trial must be seen as failed"
        for home in homes:
            assert not list((home / "mlruns").glob("*.db")) and not list((home / "mlruns").glob("optuna*"))
        runs = client.search_runs([client.get_experiment_by_name("shared").experiment_id])
        assert not any(postgres.PASSWORD in str(run.data.params) + str(run.data.tags) for run in runs)
        storage.engine.dispose()
    assert (homes[0] / "workspace" / "studies" / "shared" / "best.toml").is_file()
    for path in [*logs, *(path for home in homes for path in home.rglob("*") if path.is_file())]:
        assert postgres.PASSWORD.encode() not in path.read_bytes(), path


def _run_two_machines(homes, logs, stores, storage):
    """Start the study on both, kill the one that leads when both have a trial, start it again, wait for both."""
    envs = [shared.environment(home, **stores) for home in homes]
    started = [leader := shared.start(homes[0], logs[0], envs[0])]
    try:
        shared.wait_for(lambda: _is_led(stores["OPTUNA_STORAGE"]), leader, logs[0])
        started.append(helper := shared.start(homes[1], logs[1], envs[1]))
        shared.wait_for(lambda: shared.running(storage) > 1, helper, logs[1])
        leader.send_signal(signal.SIGKILL)
        leader.wait()
        started.append(leader := shared.start(homes[0], logs[0], envs[0]))
        assert leader.wait(600) == 0, logs[0].read_text()[-3000:]
        assert helper.wait(600) == 0, logs[1].read_text()[-3000:]
        assert "trials of it here" in logs[1].read_text()
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()


def _is_led(url):
    """Tell whether somebody holds a lock on the database, which a leader takes before all else; touches no lock."""
    import psycopg

    with psycopg.connect(url) as connection:
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        return connection.execute(query).fetchone()[0] > 0
