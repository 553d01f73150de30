"""The services that the page is built from: models, saved cases, examples, downloads, visits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from boneage.ui.estimate.examples import Examples
from boneage.ui.estimate.recent import RecentCases
from boneage.ui.flags.texts import TextSearch
from boneage.ui.service import ModelService
from boneage.ui.visit_files import Downloads, Visits

if TYPE_CHECKING:
    from boneage.data.flags import FlagStore


@dataclass(frozen=True)
class PageServices:
    """The services that the page is built from.

    Attributes:
        service: the models.
        flags: where flagged cases go.
        examples: drawn hands.
        downloads: files made for a visitor.
        visits: what is deleted when a visit ends.
        mlflow: address of the MLflow UI that the links to runs open; empty for no links.
        recent: the estimates that can still be saved.
        texts: looks for names burned into films.
    """

    service: ModelService
    flags: FlagStore
    examples: Examples
    downloads: Downloads
    visits: Visits
    mlflow: str = ""
    recent: RecentCases = field(default_factory=RecentCases)
    texts: TextSearch = field(default_factory=TextSearch)
