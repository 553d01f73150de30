"""Export a registered cascade as one file, and import it: for a machine without a network, or to ship with the package.

The archive (zip) holds the bundle, the model card, the per-image validation estimates and a manifest with the sha256 of
every file; nothing in it runs code when it is read. A lean archive leaves out the networks that every installation of
this version has, byte for byte; the manifest keeps their checksums, so an import knows whether what it has is what was
exported. The cascade that ships with the package is such an archive: else its networks would lie there twice.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from boneage.cascade.bundle import BACKBONE_FILE, MASK_FILE, file_sha256
from boneage.files import replacing, write_whole
from boneage.learn import handnet
from boneage.paths import assets
from boneage.preprocess import handmask
from boneage.registry.lineage import validation_metrics
from boneage.registry.packaging import CARD_FILE, VALIDATION_FILE
from boneage.registry.promotion import promote
from boneage.registry.register import Submission, bundle_folder, register_cascade
from boneage.registry.training_record import write_asset_record
from boneage.registry.validation import read_table
from boneage.registry.versions import CHAMPION, RegistryError, cascade_name, find, list_versions, show, version_folder
from boneage.shipped import checked_asset
from boneage.tracking.store import single_run
from boneage.tracking.values import ALL

if TYPE_CHECKING:
    from mlflow import MlflowClient

SHIPPED_FILE = "cascade.zip"
FORMAT = 1
_MANIFEST = "manifest.json"
_BUNDLE = "bundle"
SHIPPED_NETWORKS = {BACKBONE_FILE: handnet.asset_path, MASK_FILE: handmask.model_path}
_MAY_BE_LEFT_OUT = frozenset(f"{_BUNDLE}/{name}" for name in SHIPPED_NETWORKS)
_LARGEST_BYTES = 8 * 2**30


@dataclass(frozen=True)
class Imported:
    """Outcome of an import: the registered name, its version, and whether it is new or was there already."""

    name: str
    version: int
    new: bool
    promoted: bool = False

    def __str__(self) -> str:
        """Say it in a sentence."""
        what = "registered as" if self.new else "it is registered already as"
        return f"{what} {self.name} version {self.version}" + (", promoted to champion" if self.promoted else "")


def export_version(
    client: MlflowClient, name: str, version: int | str | None, out: Path, *, lean: bool = False
) -> Path:
    """Write a registered cascade as one archive into a folder; its sha256 lies beside it.

    That of a lean archive stands in a training record (`.json`), as of every file that is made to ship.

    Args:
        client: an open client.
        name: the registered cascade.
        version: number or alias; None takes the champion.
        out: the folder, made where missing; or the archive's own path, ending in `.zip`.
        lean: leave out the networks that ship with every installation of this version.

    Raises:
        RegistryError: when there is no such version, it is no cascade, or the archive exists already.
    """
    info = show(client, name, version)
    folder, bundle = version_folder(client, info), bundle_folder(client, info)
    members = {f"{_BUNDLE}/{path.relative_to(bundle).as_posix()}": path for path in bundle.rglob("*") if path.is_file()}
    members |= {each: folder / each for each in (CARD_FILE, VALIDATION_FILE) if (folder / each).is_file()}
    manifest = {
        "format": FORMAT,
        "prefix": name.removesuffix(cascade_name("")),
        "name": name,
        "version": info.version,
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
        "tags": dict(info.tags),
        "metrics": validation_metrics(client, info),
        "files": {member: file_sha256(path) for member, path in sorted(members.items())},
    }
    archive = out if out.suffix == ".zip" else out / f"{name}-{info.version}.zip"
    if archive.exists():
        raise RegistryError(f"{archive} exists already: remove it, or give another place")
    left_out = {f"{_BUNDLE}/{each}" for each in leave_out(bundle)} if lean else set()
    with replacing(archive) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(_MANIFEST, json.dumps(manifest, indent=2))
        for member, path in sorted(members.items()):
            if member not in left_out:
                file.write(path, member)
    if lean:
        write_asset_record(archive)
    else:
        checksum = archive.with_name(f"{archive.name}.sha256")
        write_whole(checksum, f"{file_sha256(archive)}  {archive.name}\n")
    return archive


def import_version(client: MlflowClient, archive: Path, prefix: str | None = None) -> Imported:
    """Register the cascade of an archive, verified, as challenger; one that is there already is not registered again.

    Args:
        client: an open client.
        archive: what `export_version` wrote.
        prefix: prefix of the registered names; None keeps the archive's.

    Raises:
        RegistryError: when the archive is missing, damaged or was changed.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        manifest = unpack(archive, folder)
        prefix = manifest["prefix"] if prefix is None else prefix
        name, tags = cascade_name(prefix), manifest["tags"]
        for info in list_versions(client, name):
            if info.tags.get("bundle_sha256") == tags.get("bundle_sha256"):
                return Imported(name, info.version, new=False)
        origin = {"origin": f"{manifest['name']}/{manifest['version']}", "archive_sha256": file_sha256(archive)}
        origin |= {"level": "import", **dict.fromkeys(("task", "sex", "age_group", "trial", "fold"), ALL)}
        with single_run(client, "imported", f"import of {manifest['name']}", origin) as run_id:
            submission = Submission(
                bundle=folder / _BUNDLE,
                run_id=run_id,
                card=(folder / CARD_FILE).read_text(encoding="utf-8"),
                metrics=manifest["metrics"],
                validation=read_table((folder / VALIDATION_FILE).read_text(encoding="utf-8")),
                prefix=prefix,
                tags={"imported_from": f"{manifest['name']} version {manifest['version']}"},
            )
            return Imported(name, register_cascade(client, submission), new=True)


def import_shipped(client: MlflowClient) -> Imported:
    """Register the cascade that ships with the package, and promote it where nothing is promoted yet.

    Raises:
        RegistryError: when none ships with this installation, or it is not the one that its record describes.
    """
    imported = import_version(client, shipped_archive())
    if find(client, imported.name, CHAMPION) is not None:
        return imported
    promote(client, imported.name, imported.version)
    return Imported(imported.name, imported.version, imported.new, promoted=True)


def shipped_archive() -> Path:
    """Return the archive of the cascade that ships with the package, verified.

    Raises:
        RegistryError: when none ships with this installation, or it is not the one that its record describes.
    """
    archive = assets() / SHIPPED_FILE
    if not archive.is_file():
        raise RegistryError("no cascade ships with this installation: run `python -m tuning CONFIG` to train one")
    try:
        return checked_asset(archive, archive.with_suffix(".json"))
    except (FileNotFoundError, ValueError) as error:
        raise RegistryError(str(error)) from error


def unpack(archive: Path, folder: Path) -> dict[str, Any]:
    """Write an archive's files to a folder, only those that the manifest names, every checksum verified.

    What a lean archive left out is put back. Returns the manifest; the bundle lies in the folder `bundle`.

    Raises:
        RegistryError: when the archive is missing, damaged or was changed.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            manifest: dict[str, Any] = json.loads(file.read(_MANIFEST))
            if manifest.get("format") != FORMAT:
                raise RegistryError(f"{archive} has format {manifest.get('format')!r}, but this program reads {FORMAT}")
            if sum(member.file_size for member in file.infolist()) > _LARGEST_BYTES:
                raise RegistryError(f"{archive} would unpack to more than {_LARGEST_BYTES // 2**30} GiB")
            there = frozenset(file.namelist())
            for member, expected in manifest["files"].items():
                if member in there or member not in _MAY_BE_LEFT_OUT:
                    _extract(file, member, folder, expected)
                else:
                    _put_back(member, folder, expected)
    except FileNotFoundError as error:
        raise RegistryError(f"no archive at {archive}: give the file that `boneage registry export` wrote") from error
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError, OSError) as error:
        raise RegistryError(f"{archive} is no exported cascade, or it is damaged: {error}") from error
    return manifest


def leave_out(bundle: Path) -> frozenset[str]:
    """Return which files of a bundle this installation has.

    Raises:
        FileNotFoundError: when one of this installation's own networks is missing.
        ValueError: when it is damaged.
    """
    names = (name for name in SHIPPED_NETWORKS if (bundle / name).is_file())
    return frozenset(name for name in names if file_sha256(SHIPPED_NETWORKS[name]()) == file_sha256(bundle / name))


def put_back(name: str, path: Path) -> Path:
    """Copy one of the networks that ship to where an archive left it out; raises as `leave_out`."""
    return Path(shutil.copyfile(SHIPPED_NETWORKS[name](), path))


def _extract(file: zipfile.ZipFile, member: str, folder: Path, expected: str) -> None:
    pure = PurePosixPath(member)
    if pure.is_absolute() or ".." in pure.parts or "\\" in member:
        raise RegistryError(f"the archive names {member!r}, which lies outside of it")
    path = folder / member
    path.parent.mkdir(parents=True, exist_ok=True)
    with file.open(member) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)
    if file_sha256(path) != expected:
        raise RegistryError(f"{member} was damaged or changed after the export: export the cascade again")


def _put_back(member: str, folder: Path, expected: str) -> None:
    """Put one of the networks that ship with this installation where a lean archive left it out."""
    path = folder / member
    path.parent.mkdir(parents=True, exist_ok=True)
    if file_sha256(put_back(path.name, path)) != expected:
        raise RegistryError(
            f"the archive leaves out {member}, and this installation ships another one: install the version of boneage "
            "that exported it, or export it there without --lean"
        )
