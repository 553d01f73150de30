"""Load the models behind the page in the background, and replace them after a promotion."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from boneage.errors import BoneageError
from boneage.ui.errors import Kept
from boneage.ui.visit_log import VisitLog

if TYPE_CHECKING:
    from boneage.cascade.cascade import Cascade, Estimate
    from boneage.registry.champions import Tenure

KEPT_MODELS = 2
CHAMPION, CHALLENGER = "champion", "challenger"


@dataclass(frozen=True)
class Choice:
    """One model that can answer: its URI, and what to say of it."""

    uri: str
    model: str
    alias: str
    version: str


@dataclass(frozen=True)
class Listed:
    """One registered version, as the models tab shows it.

    Attributes:
        model: its registered name.
        version: its number.
        aliases: for example `champion`.
        status: `pending`, `passed` or `failed`.
        mae_months: on its study's validation images.
        created: when it was registered, UTC, ISO 8601.
        run_id: the run that made it.
        card: its card, markdown.
        page: the run's place in the MLflow UI, such as `#/experiments/1/runs/...`; empty where the run is gone.
        figures: what its study measured on the validation images, by `FIGURES`; only of versions with an alias.
    """

    model: str
    version: str
    aliases: tuple[str, ...]
    status: str
    mae_months: float | None
    created: str
    run_id: str
    card: str
    page: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """One model that took part in an estimate.

    Attributes:
        role: `cascade`, `all_ages` (the cascade's own head for all ages), `classifier` or `regressor`.
        model: its registered name, or a bundle's folder.
        version: its registered version; empty for a bundle.
        aliases: what points to it now.
        page: its run's place in the MLflow UI, as in `Listed`.
    """

    role: str
    model: str
    version: str
    aliases: tuple[str, ...] = ()
    page: str = ""


FIGURES = ("mae_months", "within_12_months", "within_24_months", "accuracy", "interval_coverage", "images")


class Catalogue(Protocol):
    """Where models come from; the registry in service, a stand-in in tests."""

    def version(self, uri: str) -> str:
        """Return the version that a URI means at this moment (cheap).

        Raises:
            BoneageError: when nothing answers to the URI; the message says which command to run.
        """

    def load(self, uri: str) -> Cascade:
        """Load the cascade of a URI.

        Raises:
            BoneageError: when it cannot be loaded; the message says what to do.
        """

    def table(self) -> list[Listed]:
        """List every registered version.

        Raises:
            BoneageError: when there is no store; the message says which command to run.
        """

    def history(self, model: str) -> list[Tenure]:
        """List a model's champions, the first one first.

        Raises:
            BoneageError: when there is no store; the message says which command to run.
        """

    def answered(self, cascade: Cascade, estimate: Estimate) -> tuple[Answer, ...]:
        """Name the models that gave an estimate: the cascade, then those of its heads that were asked."""


def choices_of(listed: Sequence[Listed]) -> tuple[Choice, ...]:
    """List every alias of every version as a model that can answer."""
    return tuple(
        Choice(f"models:/{one.model}@{alias}", one.model, alias, one.version) for one in listed for alias in one.aliases
    )


def rivals(listed: Sequence[Listed], model: str) -> tuple[Listed | None, Listed | None]:
    """Return a model's champion and its challenger, where there are such; one version may be both."""
    found = [next((o for o in listed if o.model == model and alias in o.aliases), None) for alias in _RIVALS]
    return found[0], found[1]


_RIVALS = (CHAMPION, CHALLENGER)


class Phase(StrEnum):
    """Where the default model stands."""

    LOADING = "loading"
    READY = "ready"
    MISSING = "missing"


@dataclass(frozen=True)
class Status:
    """What the page says about its default model; `problem` is a sentence when it is missing."""

    phase: Phase
    model: str = ""
    version: str = ""
    problem: str = ""


class ModelService:
    """Keeps the models that the page answers with.

    The alias of a model is looked up at every estimate, so that a promotion takes effect at once; a thread looks every
    few seconds as well, so that the new version is usually loaded before anybody asks for it.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        uri: str,
        *,
        every_seconds: float = 15.0,
        log: VisitLog | None = None,
        noted: Callable[[list[tuple[str, str]]], None] = lambda held: None,
    ) -> None:
        """Keep what is needed to load; nothing is loaded before `start` or the first estimate.

        Args:
            catalogue: where models come from.
            uri: the page's default model.
            every_seconds: how often a promotion is looked for.
            log: what is told of every film.
            noted: told the names and versions of the models that are held, whenever one is loaded.
        """
        self.uri = uri
        self.log = log or VisitLog()
        self.catalogue = catalogue
        # Held while a model computes: two estimates at once are no faster and take twice the memory.
        self.turn = threading.Lock()
        self._every_seconds, self._noted = every_seconds, noted
        self._loaded: OrderedDict[str, tuple[str, Cascade]] = OrderedDict()
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._status = Status(Phase.LOADING)
        self._listed: tuple[Listed, ...] = ()

    @property
    def status(self) -> Status:
        """Return where the default model stands, without waiting."""
        return self._status

    @property
    def choices(self) -> Sequence[Choice]:
        """Return the models that could answer when they were last looked up, without waiting."""
        return choices_of(self._listed)

    @property
    def listed(self) -> Sequence[Listed]:
        """Return the registered versions as they were when last looked up, without waiting."""
        return self._listed

    def start(self) -> None:
        """Load the default model in a thread, and look for promotions ever after."""
        threading.Thread(target=self._watch, name="boneage-models", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end."""
        self._stopped.set()

    def cascade(self, uri: str = "") -> Cascade:
        """Return the model that a URI means now, loading it if it is not loaded in this version yet.

        Args:
            uri: a model URI or the path of a bundle; empty takes the page's default.

        Raises:
            BoneageError: when there is no such model; the message says which command to run.
        """
        uri = uri or self.uri
        version = self.catalogue.version(uri)
        with self._lock:
            held = self._loaded.get(uri)
            if held is None or held[0] != version:
                self._loaded.pop(uri, None)
                held = (version, self.catalogue.load(uri))
                self._loaded[uri] = held
                while len(self._loaded) > KEPT_MODELS:
                    self._loaded.popitem(last=False)
                with Kept("noting which versions are in use"):
                    self._noted([(one.model, str(one.version)) for _, one in self._loaded.values()])
            self._loaded.move_to_end(uri)
            cascade = held[1]
        if uri == self.uri:
            self._status = Status(Phase.READY, cascade.model or uri, str(cascade.version))
        return cascade

    def refresh(self) -> Status:
        """Look for the default model and for promotions now."""
        try:
            self._listed = tuple(self.catalogue.table())
        except BoneageError:
            self._listed = ()  # the cascade that ships, or a bundle's folder, answers without any store
        try:
            self.cascade()
        except BoneageError as error:
            self._status = Status(Phase.MISSING, problem=error.sentence)
        return self._status

    def _watch(self) -> None:
        while not self._stopped.is_set():
            with Kept("looking for models") as round_:
                self.refresh()
            if round_.failed:
                self._status = Status(Phase.MISSING, problem="the model cannot be loaded; see the server's log")
            self._stopped.wait(self._every_seconds)
