"""Unpack an exported cascade: verify every checksum, put back what a lean archive left out; nothing runs."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from boneage.cascade.bundle import AGES_FILE, BACKBONE_FILE, MASK_FILE, REGIONS_FILE, file_sha256
from boneage.learn.backbone_table import EMBEDDED
from boneage.paths import assets
from boneage.preprocess import handmask
from boneage.regions.ages import READER
from boneage.regions.network import FINDER, shipped_network
from boneage.registry.versions import RegistryError
from boneage.shipped import checked_asset

SHIPPED_FILE = "cascade.zip"
FORMAT = 1
MANIFEST = "manifest.json"
BUNDLE = "bundle"
SHIPPED_NETWORKS: dict[str, tuple[Callable[[], Path], ...]] = {
    BACKBONE_FILE: tuple(embedded.shipped.path for embedded in EMBEDDED.values()),
    MASK_FILE: (handmask.model_path,),
    REGIONS_FILE: (partial(shipped_network, FINDER),),
    AGES_FILE: (partial(shipped_network, READER),),
}
"""Per file of a bundle, the networks of this installation that it may be a copy of."""
_MAY_BE_LEFT_OUT = frozenset(f"{BUNDLE}/{name}" for name in SHIPPED_NETWORKS)
_LARGEST_BYTES = 8 * 2**30


def shipped_archive() -> Path:
    """Return the archive of the cascade that ships with the package, verified.

    Raises:
        RegistryError: when none ships with this installation.
        ShippedError: when it is not the one that its record describes.
    """
    archive = assets() / SHIPPED_FILE
    if not archive.is_file():
        raise RegistryError.of("archive.none_ships")
    return checked_asset(archive, archive.with_suffix(".json"))


def unpack(archive: Path, folder: Path) -> dict[str, Any]:
    """Write an archive's files to a folder, only those that the manifest names, every checksum verified.

    What a lean archive left out is put back. Returns the manifest; the bundle lies in the folder `bundle`.

    Raises:
        RegistryError: when the archive is missing, damaged or was changed.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            manifest: dict[str, Any] = json.loads(file.read(MANIFEST))
            if manifest.get("format") != FORMAT:
                raise RegistryError.of("archive.format", file=archive, came=manifest.get("format"), wanted=FORMAT)
            if sum(member.file_size for member in file.infolist()) > _LARGEST_BYTES:
                raise RegistryError.of("archive.large", file=archive, limit=_LARGEST_BYTES // 2**30)
            there = frozenset(file.namelist())
            for member, expected in manifest["files"].items():
                if member in there or member not in _MAY_BE_LEFT_OUT:
                    _extract(file, member, folder, expected)
                else:
                    _put_back(member, folder, expected)
    except FileNotFoundError as error:
        raise RegistryError.of("archive.missing", file=archive) from error
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError, OSError) as error:
        raise RegistryError.of("archive.damaged", file=archive, reason=error) from error
    return manifest


def leave_out(bundle: Path) -> frozenset[str]:
    """Return which files of a bundle this installation has.

    Raises:
        FileNotFoundError: when one of this installation's own networks is missing.
        ValueError: when it is damaged.
    """
    there = {name: file_sha256(bundle / name) for name in SHIPPED_NETWORKS if (bundle / name).is_file()}
    return frozenset(name for name, sha256 in there.items() if _ships(name, sha256) is not None)


def put_back(name: str, sha256: str, path: Path) -> bool:
    """Copy a network that ships to where an archive left it out; tell whether one with this checksum ships.

    Raises as `leave_out`.
    """
    source = _ships(name, sha256)
    if source is not None:
        shutil.copyfile(source, path)
    return source is not None


def _ships(name: str, sha256: str) -> Path | None:
    """Return this installation's network that a bundle's file is a copy of, None where none is."""
    return next((path for path in (find() for find in SHIPPED_NETWORKS[name]) if file_sha256(path) == sha256), None)


def _extract(file: zipfile.ZipFile, member: str, folder: Path, expected: str) -> None:
    pure = PurePosixPath(member)
    if pure.is_absolute() or ".." in pure.parts or "\\" in member:
        raise RegistryError.of("archive.outside", name=member)
    path = folder / member
    path.parent.mkdir(parents=True, exist_ok=True)
    with file.open(member) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)
    if file_sha256(path) != expected:
        raise RegistryError.of("archive.changed", name=member)


def _put_back(member: str, folder: Path, expected: str) -> None:
    """Put one of the networks that ship with this installation where a lean archive left it out."""
    path = folder / member
    path.parent.mkdir(parents=True, exist_ok=True)
    if not put_back(path.name, expected, path):
        raise RegistryError.of("archive.other_weights", name=member)
