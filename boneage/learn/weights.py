"""Download and verify the weights files of `keras.applications`.

The names and MD5 sums are those in Keras 3's own sources; a test compares every row with the installed Keras.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from boneage.errors import BoneageError
from boneage.files import replacing

TIMEOUT_SECONDS = 20.0


class WeightsError(BoneageError):
    """Report weights that are missing, damaged or not those that were wanted."""


@dataclass(frozen=True)
class WeightsFile:
    """A published weights file without the classification top."""

    name: str
    md5: str
    folder_url: str = "https://storage.googleapis.com/tensorflow/keras-applications"

    @property
    def url(self) -> str:
        """Return where Keras itself downloads it from."""
        return f"{self.folder_url}/{self.name}"

    @property
    def place(self) -> Path:
        """Return where Keras looks for it: `$KERAS_HOME/models`, by default `~/.keras/models`."""
        home = os.environ.get("KERAS_HOME")
        return (Path(home) if home else Path.home() / ".keras") / "models" / self.name


def obtain(file: WeightsFile) -> Path:
    """Return the verified file in its place, downloading it where it is not there yet.

    Raises:
        WeightsError: when it cannot be downloaded or what lies there has another checksum. The message names the file,
            its MD5 and the place.
    """
    place = file.place
    if not place.is_file():
        try:
            _download(file)
        except OSError as error:
            raise WeightsError(
                f"the ImageNet weights {file.name} (md5 {file.md5}) are not in {place.parent} and cannot be downloaded "
                f"({error}): download {file.url} elsewhere and put it there, or name a local copy in backbone.weights"
            ) from error
    found = checksum(place, "md5")
    if found != file.md5:
        raise WeightsError(
            f"{place} should have md5 {file.md5}, but has {found}: delete it or replace it by {file.url}"
        )
    return place


def verify(path: Path, sha256: str, published: WeightsFile | None) -> Path:
    """Check a local weights file against the checksum given, or against the published file's.

    Raises:
        WeightsError: when the file is missing, differs, or nothing says what its checksum should be.
    """
    if not path.is_file():
        hint = f" (the published file is {published.name}, md5 {published.md5})" if published else ""
        raise WeightsError(
            f"backbone.weights should be 'asset', 'imagenet', 'none' or a file, but there is no {path}{hint}"
        )
    found = checksum(path, "sha256")
    if sha256 and found != sha256.lower():
        raise WeightsError(
            f"{path} should have sha256 {sha256} (backbone.sha256), but has {found}: take the right file"
        )
    if sha256 or (published is not None and checksum(path, "md5") == published.md5):
        return path
    doubt = f"is not the published {published.name} (md5 {published.md5})" if published else "has no known checksum"
    raise WeightsError(f"{path} {doubt}: if it is the file you mean, set backbone.sha256 = '{found}'")


def checksum(path: Path, algorithm: str) -> str:
    """Return a file's checksum in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def _download(file: WeightsFile) -> None:
    """Fetch a file next to its place and move it there whole, so that no half of it can ever be taken for it."""
    with (
        urllib.request.urlopen(file.url, timeout=TIMEOUT_SECONDS) as response,  # noqa: S310 - https, fixed table
        replacing(file.place) as target,
    ):
        shutil.copyfileobj(response, target, 1 << 20)
