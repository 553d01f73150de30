"""Open a registered cascade, or a bundle's folder: what serving needs of the registry, and nothing that writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from boneage.cascade.bundle import BUNDLE_FILE, load_bundle
from boneage.registry.versions import RegistryError, VersionInfo, parse_uri, show, version_folder
from boneage.signing import refuse_strangers
from boneage.tracking.reader import open_reader

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
