"""The registry as the page sees it, on a real store."""

from __future__ import annotations

from pathlib import Path

import pytest

from boneage.errors import BoneageError
from boneage.ui.catalogue import RegistryCatalogue

NAME = "boneage-cascade"
URI = f"models:/{NAME}@champion"


def register(client, count: int, name: str = NAME) -> None:
    client.create_registered_model(name)
    for number in range(count):
        client.create_model_version(
            name, source="/nowhere", tags={"validation_status": "passed", "validation_mae_months": f"{9 - number}.5"}
        )


def test_without_a_store_it_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(BoneageError, match="make study"):
        RegistryCatalogue().choices()


def test_nothing_registered_or_promoted_says_what_to_run(store) -> None:
    catalogue = RegistryCatalogue(store)
    assert catalogue.table() == []
    with pytest.raises(BoneageError, match="make study"):
        catalogue.version(URI)
    register(store, 1)
    with pytest.raises(BoneageError, match="boneage registry promote"):
        catalogue.version(URI)


def test_an_alias_is_looked_up_anew_each_time(store) -> None:
    register(store, 2)
    catalogue = RegistryCatalogue(store)
    store.set_registered_model_alias(NAME, "champion", "1")
    assert catalogue.version(URI) == "1"
    store.set_registered_model_alias(NAME, "champion", "2")
    assert catalogue.version(URI) == "2"
    assert catalogue.version(f"models:/{NAME}/1") == "1"


def test_every_cascade_of_every_prefix_is_listed_and_heads_are_not(store) -> None:
    register(store, 2)
    register(store, 1, "demo-cascade")
    register(store, 1, "boneage-regressor-female-4")
    store.set_registered_model_alias(NAME, "champion", "1")
    store.set_registered_model_alias("demo-cascade", "challenger", "1")
    catalogue = RegistryCatalogue(store)
    assert [(one.model, one.version, one.mae_months) for one in catalogue.table()] == [
        (NAME, "2", 8.5),
        (NAME, "1", 9.5),
        ("demo-cascade", "1", 9.5),
    ]
    assert [choice.uri for choice in catalogue.choices()] == [URI, "models:/demo-cascade@challenger"]


def test_files_that_are_gone_are_said_to_be_gone(store) -> None:
    register(store, 1)
    store.set_registered_model_alias(NAME, "champion", "1")
    with pytest.raises(BoneageError, match="boneage store relocate"):
        RegistryCatalogue(store).load(URI)


def test_an_unknown_folder_is_no_model(store) -> None:
    with pytest.raises(BoneageError, match="models:/NAME@ALIAS"):
        RegistryCatalogue(store).version("nowhere")
