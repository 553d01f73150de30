"""Export a registered cascade as one file, and import it: for a machine without a network, or to ship with the package.

The archive (zip) holds the bundle, the model card, the per-image validation estimates and a manifest with the sha256 of
every file; nothing in it runs code when it is read. A lean archive leaves out the networks that every installation of
this version has, byte for byte; the manifest keeps their checksums, so an import knows whether what it has is what was
exported. The cascade that ships with the package is such an archive: else its networks would lie there twice.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from boneage.cascade.bundle import file_sha256
from boneage.files import replacing, write_whole
from boneage.registry.lineage import validation_metrics
from boneage.registry.packaging import CARD_FILE, VALIDATION_FILE
from boneage.registry.promotion import promote
from boneage.registry.register import Submission, bundle_folder, register_cascade
from boneage.registry.training_record import write_asset_record
from boneage.registry.unpacking import BUNDLE, FORMAT, MANIFEST, leave_out, shipped_archive, unpack
from boneage.registry.validation import read_table
from boneage.registry.versions import CHAMPION, RegistryError, cascade_name, find, list_versions, show, version_folder
from boneage.signing import sign
from boneage.tracking.store import single_run
from boneage.tracking.values import ALL

if TYPE_CHECKING:
    from mlflow import MlflowClient


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
    client: MlflowClient,
    name: str,
    version: int | str | None,
    out: Path,
    *,
    lean: bool = False,
    key: Path | None = None,
) -> Path:
    """Write a registered cascade as one archive into a folder; its sha256 lies beside it.

    That of a lean archive stands in a training record (`.json`), as of every file that is made to ship.

    Args:
        client: an open client.
        name: the registered cascade.
        version: number or alias; None takes the champion.
        out: the folder, made where missing; or the archive's own path, ending in `.zip`.
        lean: leave out the networks that ship with every installation of this version.
        key: a secret key: the bundle is signed, and its signature travels along, and so is the archive.

    Raises:
        RegistryError: when there is no such version, it is no cascade, or the archive exists already.
        SignatureError: when the key cannot be read.
    """
    info = show(client, name, version)
    folder, bundle = version_folder(client, info), bundle_folder(client, info)
    if key is not None:
        sign(bundle, key)
    members = {f"{BUNDLE}/{path.relative_to(bundle).as_posix()}": path for path in bundle.rglob("*") if path.is_file()}
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
        raise RegistryError.of("archive.exists", file=archive)
    left_out = {f"{BUNDLE}/{each}" for each in leave_out(bundle)} if lean else set()
    with replacing(archive) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(MANIFEST, json.dumps(manifest, indent=2))
        for member, path in sorted(members.items()):
            if member not in left_out:
                file.write(path, member)
    if lean:
        write_asset_record(archive)
    else:
        checksum = archive.with_name(f"{archive.name}.sha256")
        write_whole(checksum, f"{file_sha256(archive)}  {archive.name}\n")
    if key is not None:
        sign(archive, key)
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
                bundle=folder / BUNDLE,
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
