"""Facts about a registry that was changed behind boneage's back, and about who was champion when."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from boneage.cli import main
from boneage.registry.champions import HISTORY_TAG, tenures
from boneage.registry.in_use import note_versions
from boneage.registry.promotion import promote, rollback
from boneage.registry.register import register_cascade
from boneage.registry.soundness import registry_doubts
from boneage.registry.versions import RegistryError, show, version_folder
from boneage.tracking.store import relocate

NAME = "tiny-cascade"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the store with three champions is kept once it is made: three registrations take seconds, a copy none."""
    return tmp_path_factory.mktemp("kept") / "mlruns"


@pytest.fixture
def champions(store, submit, tmp_path, kept):
    """Three versions, each promoted after the other; the third was forced."""
    mine = tmp_path / "mlruns"
    if not kept.is_dir():
        for error, reason in ((5.0, None), (4.0, None), (9.0, "the new scanner needs it")):
            register_cascade(store, submit(error))
            promote(store, NAME, force_reason=reason, by="Dr Example")
        shutil.copytree(mine, kept)
        return store
    shutil.copytree(kept / "artifacts", mine / "artifacts")
    with closing(sqlite3.connect(kept / "mlflow.db")) as made, closing(sqlite3.connect(mine / "mlflow.db")) as copy:
        made.backup(copy)
    relocate(mine)
    return store


def said(store) -> str:
    return "\n".join(doubt.sentence for doubt in registry_doubts(store))


def test_the_history_says_who_was_champion_when_by_whom_and_with_which_figures(champions, capsys):
    rollback(champions, NAME, by="Dr Other")
    found = tenures(champions, NAME)
    assert [(one.version, one.how, one.by, one.reason) for one in found] == [
        (1, "promoted", "Dr Example", ""),
        (2, "promoted", "Dr Example", ""),
        (3, "forced", "Dr Example", "the new scanner needs it"),
        (2, "rolled back to", "Dr Other", ""),
    ]
    assert all(earlier.until == later.since for earlier, later in zip(found, found[1:], strict=False))
    assert found[-1].until == ""
    assert found[2].figures["mae_months"] == pytest.approx(9.0)
    tags = champions.get_registered_model(NAME).tags
    assert json.loads(tags["champion.0003"])["reason"] == "the new scanner needs it"
    assert main(["registry", "history", NAME]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and "forced by Dr Example (the new scanner needs it), MAE 9.00 months" in lines[2]


def test_a_store_of_before_histories_tells_what_its_tags_say(champions, capsys):
    for tag in champions.get_registered_model(NAME).tags:
        if tag.startswith("champion."):
            champions.delete_registered_model_tag(NAME, tag)
    assert [(one.version, one.how) for one in tenures(champions, NAME)] == [
        (1, "promoted"),
        (2, "promoted"),
        (3, "forced"),
    ]
    rollback(champions, NAME)
    assert [one.version for one in tenures(champions, NAME)] == [1, 2, 3, 2]


def test_a_sound_registry_has_no_doubts(champions):
    assert said(champions) == ""


def test_a_deleted_champion_is_found_and_named(champions, capsys):
    champions.delete_model_version(NAME, "3")
    assert "has no champion any more (version 3 was, and was deleted)" in said(champions)
    assert main(["registry", "history", NAME]) == 0
    assert "the champion is no version" in capsys.readouterr().out
    promote(champions, NAME, 2)
    champions.delete_model_version(NAME, "1")
    assert "former champions of tiny-cascade were deleted (versions 1, 3)" in said(champions)
    with pytest.raises(RegistryError, match="first champion"):
        rollback(champions, NAME)


def test_an_alias_without_its_version_says_what_to_run(champions):
    file = champions.tracking_uri.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file)) as table, table:
        table.execute("UPDATE registered_model_aliases SET version = 9 WHERE alias = 'champion'")
    with pytest.raises(RegistryError, match=r"points to version 9, which was deleted: run `boneage registry promote"):
        show(champions, NAME, "champion")
    assert "the alias champion of tiny-cascade points to version 9" in said(champions)


def test_a_version_whose_files_are_gone_is_found(champions):
    shutil.rmtree(version_folder(champions, show(champions, NAME)))
    assert "the files of tiny-cascade version 3 are not at" in said(champions)


def test_a_deleted_version_that_a_running_page_answers_with_is_found(champions, tmp_path):
    note_versions("page", [(NAME, "2"), ("a bundle", ""), ("the cascade that ships", "shipped")])
    mine = tmp_path / "workspace" / "in-use" / f"{os.getpid()}.json"
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    other = shutil.copyfile(mine, mine.with_name(f"{ended.pid}.json"))
    assert said(champions) == "" and mine.exists() and not other.exists()
    champions.delete_model_version(NAME, "2")
    assert f"a running page (process {os.getpid()}) answers with tiny-cascade version 2, which was deleted" in said(
        champions
    )
    note_versions("page", [(NAME, "3")])
    assert "running page" not in said(champions)


def test_heads_that_a_champion_was_put_together_from_are_missed(ten_heads, store, submit):
    register_cascade(store, submit(5.0))
    promote(store, NAME)
    store.delete_model_version("tiny-regressor-male-2", "1")
    assert "put together from tiny-regressor-male-2 1, deleted since" in said(store)


def test_a_promotion_that_was_interrupted_is_seen_and_set_right_by_the_next(champions, submit, capsys):
    register_cascade(champions, submit(3.0))
    text = json.dumps({"version": 4, "since": "2026-01-01T00:00:00+00:00"})
    champions.set_registered_model_tag(NAME, "champion.0004", text)
    champions.set_registered_model_tag(NAME, HISTORY_TAG, json.dumps([1, 2, 3, 4]))
    main(["registry", "history", NAME])
    assert "the champion is version 3" in capsys.readouterr().out
    promote(champions, NAME, 4)
    assert [one.version for one in tenures(champions, NAME)] == [1, 2, 3, 4]


def test_a_versions_files_are_on_the_disk_before_the_registry_names_it(store, submit, monkeypatch):
    synced, made = [], []
    fsync, create = os.fsync, type(store).create_model_version

    def watched(handle):
        fsync(handle)
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)

    def created(client, *given, **more):
        made.append(set(synced))
        return create(client, *given, **more)

    monkeypatch.setattr(os, "fsync", watched)
    monkeypatch.setattr(type(store), "create_model_version", created)
    register_cascade(store, submit(5.0))
    assert {"MLmodel", "bundle.json", "backbone.npz", "validation.csv", "card.md"} <= made[0]
