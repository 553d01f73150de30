"""The registry as the page sees it, on a real store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from page_fakes import FakeCatalogue, fixed_cascade

from boneage.cascade.cascade import Cascade
from boneage.cascade.estimate import Estimate
from boneage.cascade.stack import Stack
from boneage.errors import BoneageError
from boneage.groups import ModelKey, Sex, Task
from boneage.ui.catalogue import RegistryCatalogue, asked_heads
from boneage.ui.models.tab import history_html
from boneage.ui.service import Answer, choices_of, rivals

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
    with pytest.raises(BoneageError, match="registry import --shipped"):
        RegistryCatalogue().table()


def test_nothing_registered_or_promoted_says_what_to_run(store) -> None:
    catalogue = RegistryCatalogue(store)
    assert catalogue.table() == []
    with pytest.raises(BoneageError, match="registry import --shipped"):
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
    assert [one.uri for one in choices_of(catalogue.table())] == [URI, "models:/demo-cascade@challenger"]


def test_files_that_are_gone_are_said_to_be_gone(store) -> None:
    register(store, 1)
    store.set_registered_model_alias(NAME, "champion", "1")
    with pytest.raises(BoneageError, match="boneage store relocate"):
        RegistryCatalogue(store).load(URI)


def test_an_unknown_folder_is_no_model(store) -> None:
    with pytest.raises(BoneageError, match="models:/NAME@ALIAS"):
        RegistryCatalogue(store).version("nowhere")


def test_rivals_are_found_by_their_aliases(store) -> None:
    register(store, 2)
    catalogue = RegistryCatalogue(store)
    assert rivals(catalogue.table(), NAME) == (None, None)
    store.set_registered_model_alias(NAME, "champion", "1")
    store.set_registered_model_alias(NAME, "challenger", "2")
    champion, challenger = rivals(catalogue.table(), NAME)
    assert champion is not None
    assert challenger is not None
    assert (champion.version, challenger.version) == ("1", "2")


def estimate(**fields: object) -> Estimate:
    values: dict = {"sex": Sex.FEMALE, "age_range": None, "bone_age_months": 80.0, "low_months": None}
    values |= {"high_months": None, "group": 2, "group_probabilities": (0, 1, 0, 0), "routing": "hard"}
    return Estimate(**(values | fields))


def routed_softly(cascade: Cascade) -> Cascade:
    cascade.config = replace(cascade.config, cascade=replace(cascade.config.cascade, routing="soft"))
    return cascade


def test_the_heads_that_were_asked_depend_on_the_routing() -> None:
    classifier, regressor = ModelKey(Task.CLASSIFIER, Sex.FEMALE), ModelKey(Task.REGRESSOR, Sex.FEMALE, 2)
    hard, soft = fixed_cascade(), routed_softly(fixed_cascade())
    assert asked_heads(hard, estimate()) == [classifier, regressor]
    assert asked_heads(hard, estimate(routing="given")) == asked_heads(soft, estimate(routing="given")) == [regressor]
    assert len(asked_heads(soft, estimate(routing="soft"))) == 5


def test_no_regressor_answered_where_the_head_for_all_ages_gave_the_number_alone(store) -> None:
    hard, soft = fixed_cascade("1", NAME), routed_softly(fixed_cascade("1", NAME))
    classifier, regressor = ModelKey(Task.CLASSIFIER, Sex.FEMALE), ModelKey(Task.REGRESSOR, Sex.FEMALE, 2)
    given, stacked = estimate(routing="given"), estimate(routing="stacked")
    hard.stack = soft.stack = Stack(object(), {"female": 0.35})  # type: ignore[arg-type]
    assert asked_heads(hard, stacked) == [classifier, regressor]
    assert len(asked_heads(soft, stacked)) == 5
    hard.stack = soft.stack = Stack(object(), {"female": 1.0})  # type: ignore[arg-type]
    assert asked_heads(hard, stacked) == asked_heads(soft, stacked) == [classifier]
    assert asked_heads(soft, given) == [regressor]
    register(store, 1)
    answers = RegistryCatalogue(store).answered(soft, stacked)
    assert [one.role for one in answers] == ["cascade", "all_ages"]
    assert [one.role for one in RegistryCatalogue(store).answered(soft, given)] == ["cascade"]


def test_an_estimate_names_its_cascade_and_heads_with_their_runs(store) -> None:
    experiment = store.create_experiment("study")
    run = store.create_run(experiment)
    store.log_metric(run.info.run_id, "validation_mae_months", 8.5)
    store.set_terminated(run.info.run_id)
    for name, tags in (
        ("boneage-classifier-female", {}),
        ("boneage-regressor-female-2", {}),
        (NAME, {"head.classifier-female": "1", "head.regressor-female-2": "1"}),
    ):
        store.create_registered_model(name)
        store.create_model_version(name, source="/nowhere", run_id=run.info.run_id, tags=tags)
    store.set_registered_model_alias(NAME, "champion", "1")
    catalogue = RegistryCatalogue(store)
    page = f"#/experiments/{experiment}/runs/{run.info.run_id}"
    assert catalogue.answered(fixed_cascade("1", NAME), estimate()) == (
        Answer("cascade", NAME, "1", ("champion",), page),
        Answer("classifier", "boneage-classifier-female", "1", (), page),
        Answer("regressor", "boneage-regressor-female-2", "1", (), page),
    )
    listed = catalogue.table()[0]
    assert (listed.page, listed.figures) == (page, {"mae_months": 8.5})


def test_a_bundle_from_a_folder_names_only_itself(store) -> None:
    assert RegistryCatalogue(store).answered(fixed_cascade("", "a/folder"), estimate()) == (
        Answer("cascade", "a/folder", ""),
    )


def test_the_models_tab_says_who_was_champion_when_the_present_one_first():
    found = history_html(FakeCatalogue().history("boneage-cascade"), "en")
    assert found.index("2026-02-01 08:00") < found.index("2026-01-01 08:00")
    assert "forced past the gate (the new scanner needs it)" in found and "&lt;Rui&gt;" in found and ">9.5<" in found
    assert history_html([], "en") == ""
