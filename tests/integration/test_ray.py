"""A study on a local Ray cluster of two machines; one is killed while it works."""

from __future__ import annotations

import mlflow
import optuna
import pytest

from tests.integration import shared

pytest.importorskip("ray", reason="Ray (extra `cluster`) is not installed")


@pytest.fixture
def cluster():
    from ray.cluster_utils import Cluster

    machines = Cluster()
    try:
        for _ in range(2):
            machines.add_node(num_cpus=1, object_store_memory=80_000_000)
        yield machines
    except Exception as error:  # Ray raises bare Exceptions where its daemons do not come up within half a minute
        pytest.skip(f"no local Ray cluster comes up here: {str(error)[:80]}")
    finally:
        machines.shutdown()


@pytest.mark.slow
def test_a_search_survives_a_machine_killed_midway(cluster, tmp_path):
    home, log = shared.make_home(tmp_path / "home"), tmp_path / "log"
    journal = home / "mlruns" / "optuna.journal"

    def under_way():
        return shared.running(_journal(journal)) if journal.is_file() else 0

    study = shared.start(home, log, shared.environment(home), "--ray", cluster.address)
    try:
        shared.wait_for(lambda: under_way() == 2, study, log)
        cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
        assert study.wait(900) == 0, log.read_text()[-3000:]
    finally:
        if study.poll() is None:
            study.kill()
    uri = f"sqlite:///{home / 'mlruns' / 'mlflow.db'}"
    found = shared.check_nothing_lost_or_doubled(_journal(journal), mlflow.MlflowClient(uri, uri))
    failed = [trial for each in found for trial in each.get_trials(states=(optuna.trial.TrialState.FAIL,))]
    assert len(failed) == 1, "only the killed machine's trial is done again"
    assert (home / "workspace" / "studies" / "shared" / "best.toml").is_file()


def _journal(path):
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
