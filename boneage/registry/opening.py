"""Open the cascade that answers: the one of a URI, the store's champion, or the one that ships with the package.

This is what serving needs of the registry, and nothing that writes.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from boneage.cascade.bundle import BUNDLE_FILE, load_bundle
from boneage.registry.unpacking import shipped_archive, unpack
from boneage.registry.versions import (
    CHAMPION,
    RegistryError,
    VersionInfo,
    cascade_name,
    find,
    parse_uri,
    show,
    version_folder,
)
from boneage.signing import refuse_strangers
from boneage.tracking.reader import open_reader
from boneage.tracking.store import store_exists

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from boneage.cascade.cascade import Cascade


def load_cascade(uri: str = "models:/boneage-cascade@champion", client: MlflowClient | None = None) -> Cascade:
    """Open a registered cascade, or a bundle's folder; it carries its registered name and version.

    Raises:
        StoreError: when there is no store yet.
        RegistryError: when there is no such model, version or alias; the message says what to run.
        BundleError: when the files are damaged or were changed.
        SignatureError: when `BONEAGE_KEY` names a key whose owner did not sign it.
    """
    if not uri.startswith("models:") and (Path(uri) / BUNDLE_FILE).is_file():
        refuse_strangers(Path(uri))
        return load_bundle(Path(uri))
    name, version = parse_uri(uri)
    # Nothing of ours needs pickle; whatever MLflow loads later in this process may not use it either.
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    client = client or open_reader()
    info = show(client, name, version)
    bundle = bundle_folder(client, info)
    refuse_strangers(bundle)
    cascade = load_bundle(bundle)
    cascade.model, cascade.version = info.name, str(info.version)
    return cascade


def bundle_folder(client: MlflowClient, info: VersionInfo) -> Path:
    """Return the bundle inside a registered cascade's files.

    Raises:
        RegistryError: when the version is no cascade or its files are missing.
    """
    artifacts = version_folder(client, info) / "artifacts"
    found = sorted(artifacts.glob(f"*/{BUNDLE_FILE}"))
    if not found:
        raise RegistryError.of("registry.no_cascade", name=info.name, version=info.version, file=BUNDLE_FILE)
    return found[0].parent


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
