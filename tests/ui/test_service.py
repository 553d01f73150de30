"""Models in the background, replaced after a promotion."""

from __future__ import annotations

import time

import pytest
from page_fakes import URI, FakeCatalogue

from boneage.errors import BoneageError
from boneage.ui.service import Listed, ModelService, Phase

OTHER = "models:/demo-cascade@champion"


def wait_for(phase: Phase, service: ModelService) -> None:
    deadline = time.monotonic() + 5
    while service.status.phase is not phase and time.monotonic() < deadline:
        time.sleep(0.01)
    assert service.status.phase is phase


def test_a_model_is_loaded_once_and_again_after_a_promotion() -> None:
    catalogue = FakeCatalogue()
    noted: list[list[tuple[str, str]]] = []
    service = ModelService(catalogue, URI, noted=noted.append)
    assert service.status.phase is Phase.LOADING
    assert [service.cascade().version for _ in range(3)] == ["3", "3", "3"]
    catalogue.versions[URI] = "4"
    assert service.cascade().version == "4"
    assert catalogue.loads == [(URI, "3"), (URI, "4")]
    assert [[version for _, version in held] for held in noted] == [["3"], ["4"]]


def test_at_most_two_models_stay_in_memory() -> None:
    third = "models:/third-cascade@champion"
    catalogue = FakeCatalogue(**{URI: "1", OTHER: "1", third: "1"})
    service = ModelService(catalogue, URI)
    for uri in (URI, OTHER, third, third, URI):
        service.cascade(uri)
    assert [uri for uri, _ in catalogue.loads] == [URI, OTHER, third, URI]


def test_a_withdrawn_promotion_is_not_answered_from_memory() -> None:
    catalogue = FakeCatalogue()
    service = ModelService(catalogue, URI)
    service.cascade()
    catalogue.versions = {}
    with pytest.raises(BoneageError, match="registry promote"):
        service.cascade()


def test_the_thread_loads_and_outlives_every_error() -> None:
    catalogue = FakeCatalogue()
    catalogue.fault = RuntimeError("the disk is on fire")
    service = ModelService(catalogue, URI, every_seconds=0.02)
    service.start()
    try:
        wait_for(Phase.MISSING, service)
        assert "fire" not in service.status.problem
        catalogue.fault = None
        wait_for(Phase.READY, service)
        catalogue.fault = BoneageError("run `make study`")
        wait_for(Phase.MISSING, service)
        assert service.status.problem == "run `make study`"
    finally:
        service.stop()


def test_a_page_whose_model_needs_no_store_is_ready_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_store() -> list[Listed]:
        raise BoneageError("no tracking store: run `boneage store init`")

    catalogue = FakeCatalogue()
    monkeypatch.setattr(catalogue, "table", no_store)
    service = ModelService(catalogue, URI)
    found = service.refresh()
    assert (found.phase, found.version) == (Phase.READY, "3")
    assert list(service.choices) == []
