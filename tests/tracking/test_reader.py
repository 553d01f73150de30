"""The light reader says of an SQLite store what MLflow's own client says."""

from __future__ import annotations

import pytest

from boneage.registry.versions import RegistryError, list_versions, show
from boneage.tracking.reader import NotInStoreError, StoreReader, open_reader
from boneage.tracking.store import StoreError, ensure_experiment


@pytest.fixture
def filled(store):
    """Three versions of a model, of which one was deleted, with tags, aliases and a run with figures."""
    run = store.create_run(ensure_experiment(store, "tiny"), run_name="study", tags={"study": "tiny"})
    store.log_metric(run.info.run_id, "validation_mae_months", 5.5)
    store.set_terminated(run.info.run_id)
    for name in ("tiny-cascade", "tiny-classifier-male"):
        store.create_registered_model(name)
        for number in (1, 2, 3):
            store.create_model_version(name, f"/somewhere/{number}", run.info.run_id, tags={"number": str(number)},
                                       description=f"card {number}")  # fmt: skip
    store.set_registered_model_alias("tiny-cascade", "champion", "2")
    store.set_registered_model_tag("tiny-cascade", "champion_history", "2")
    store.delete_model_version("tiny-cascade", "3")
    return store


def test_versions_aliases_tags_and_runs_are_those_of_mlflow(filled):
    reader = open_reader(filled.tracking_uri)
    assert isinstance(reader, StoreReader)
    found = list_versions(reader, "tiny-cascade")
    assert found == list_versions(filled, "tiny-cascade") and [info.version for info in found] == [2, 1]
    for wanted in ("champion", 1):
        assert show(reader, "tiny-cascade", wanted) == show(filled, "tiny-cascade", wanted)
    models = [model.name for model in reader.search_registered_models("name LIKE '%-cascade'")]
    assert models == [model.name for model in filled.search_registered_models("name LIKE '%-cascade'")]
    mine, theirs = (client.get_registered_model("tiny-cascade") for client in (reader, filled))
    assert (mine.aliases, mine.tags) == ({"champion": 2}, theirs.tags)
    mine, theirs = (client.get_run(found[0].run_id) for client in (reader, filled))
    for each in ("run_id", "run_name", "experiment_id", "end_time", "status"):
        assert getattr(mine.info, each) == getattr(theirs.info, each)
    assert mine.data.metrics == theirs.data.metrics and mine.data.tags == theirs.data.tags
    assert reader.get_experiment(mine.info.experiment_id).name == "tiny"
    assert reader.get_model_version_download_uri("tiny-cascade", "2") == "/somewhere/2"


def test_what_is_not_there_is_said_as_ever(filled):
    reader = open_reader(filled.tracking_uri)
    for wanted in ("challenger", 3, 7):
        with pytest.raises(RegistryError, match="only versions 1, 2"):
            show(reader, "tiny-cascade", wanted)
    with pytest.raises(RegistryError, match="nothing is registered"):
        show(reader, "other-cascade")
    with pytest.raises(NotInStoreError):
        reader.get_run("0" * 32)


def test_a_store_that_is_missing_or_none_is_said(tmp_path):
    with pytest.raises(StoreError, match="no tracking store"):
        open_reader(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (tmp_path / "mlflow.db").write_bytes(b"no database at all, but long enough to be taken for one" * 40)
    with pytest.raises(StoreError, match="cannot be opened"):
        list_versions(open_reader(f"sqlite:///{tmp_path / 'mlflow.db'}"))
