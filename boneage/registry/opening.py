"""Open the cascade that answers: the one of a URI, the store's champion, or the one that ships with the package."""

from __future__ import annotations

import os
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from boneage.cascade.bundle import load_bundle
from boneage.registry.loading import load_cascade
from boneage.registry.unpacking import shipped_archive, unpack
from boneage.registry.versions import CHAMPION, cascade_name, find
from boneage.tracking.reader import open_reader
from boneage.tracking.store import store_exists

if TYPE_CHECKING:
    from boneage.cascade.cascade import Cascade

CHAMPION_URI = f"models:/{cascade_name()}@{CHAMPION}"
SHIPPED = "shipped"
"""The URI, and the version, of the cascade that ships with the package."""


def open_cascade(uri: str | None = None) -> Cascade:
    """Open a cascade.

    Args:
        uri: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, a bundle's folder, or `shipped`. None takes the store's
            champion, and where none is promoted, or there is no store, the cascade that ships with the package.

    Raises:
        StoreError: when a store was named (`MLFLOW_TRACKING_URI`) that is not there, or a store cannot be opened.
        RegistryError: when there is no such model, version or alias; the message says what to run.
        BundleError: when the files are damaged or were changed.
    """
    uri = default_uri() if uri is None else uri
    return open_shipped() if uri == SHIPPED else load_cascade(uri)


def default_uri() -> str:
    """Return the URI that answers where none is given: the champion's, or `shipped` where nothing is promoted.

    Raises:
        StoreError: as `open_cascade`.
        RegistryError: when the champion's version is gone.
    """
    if not store_exists() and not os.environ.get("MLFLOW_TRACKING_URI"):
        return SHIPPED
    return SHIPPED if find(open_reader(), cascade_name(), CHAMPION) is None else CHAMPION_URI


def open_shipped() -> Cascade:
    """Open the cascade that ships with the package, without any store; it unpacks into a folder that goes with it.

    Raises:
        RegistryError: when none ships with this installation, or it is not the one that its record describes.
    """
    folder = tempfile.TemporaryDirectory(prefix="boneage-")
    manifest = unpack(shipped_archive(), Path(folder.name))
    cascade = load_bundle(Path(folder.name) / "bundle")
    cascade.model, cascade.version = manifest["name"], SHIPPED
    # The backbone, for `dataclasses.replace` makes a cascade of its own that needs the folder, too.
    weakref.finalize(cascade.backbone, folder.cleanup)
    return cascade
