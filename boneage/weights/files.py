"""Verify weights that lie here, put a file into its place, and name what is missing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from boneage.files import replacing
from boneage.weights.table import Network, WeightsError

BLOCK = 1 << 20
Bytes = Callable[[int, int], None]
"""Progress of a transfer: bytes so far, and of how many."""


def checksum(path: Path, algorithm: str) -> str:
    """Return a file's checksum in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def lies_at(network: Network) -> Path | None:
    """Return where a network's file lies, not verified; None where it is not here."""
    return next((place for place in network.places if place.is_file()), None)


def here(network: Network) -> Path | None:
    """Return a network's verified file; None where it is not here.

    Raises:
        WeightsError: when what lies there is another file.
    """
    path = lies_at(network)
    if path is not None:
        check(network, path)
    return path


def check(network: Network, path: Path) -> None:
    """Compare a file with a network's checksum.

    Raises:
        WeightsError: when it is another file.
    """
    algorithm, wanted = network.checksum
    found = checksum(path, algorithm)
    if found != wanted:
        again = "reinstall boneage" if network.ships else f"run `boneage weights fetch {network.name}`"
        facts = {"name": network.name, "algorithm": algorithm, "wanted": wanted, "found": found}
        raise WeightsError.of("weights.other_file", file=path, again=again, **facts)


def put(network: Network, stream: IO[bytes], origin: str) -> Path:
    """Copy a network's file into its place if, and only if, its checksum is right; return the place.

    Raises:
        WeightsError: when it is another file; what lay in the place stays.
    """
    algorithm, wanted = network.checksum
    digest = hashlib.new(algorithm)
    with replacing(network.place) as target:
        while block := stream.read(BLOCK):
            digest.update(block)
            target.write(block)
        if digest.hexdigest() != wanted:
            facts = {"name": network.name, "algorithm": algorithm, "wanted": wanted, "found": digest.hexdigest()}
            raise WeightsError.of("weights.not_taken", file=origin, **facts)
    return network.place


def add(network: Network, file: Path) -> Path:
    """Put a local file into a network's place after comparing its checksum; return the place.

    Raises:
        WeightsError: when the network ships, or the file is missing or another one.
    """
    if network.ships:
        raise WeightsError.of("weights.ships", name=network.name)
    if not file.is_file():
        raise WeightsError.of("weights.no_file", name=network.name, file=file)
    with file.open("rb") as stream:
        return put(network, stream, str(file))


def missing(network: Network, why: str = "", *, tried: bool = False) -> WeightsError:
    """Return the error that says how a network that is not here can come; `tried`: every source was asked just now."""
    algorithm, wanted = network.checksum
    by_hand = f"download {network.url}" if network.url else f"take {network.file} from elsewhere"
    fetched = "" if tried else f"run `boneage weights fetch {network.name}`, or "
    facts = {"file": network.file, "name": network.name, "algorithm": algorithm, "wanted": wanted}
    place = f"{network.place.parent}{why}"
    return WeightsError.of("weights.not_here", place=place, how=f"{fetched}{by_hand}", **facts)


def verify(path: Path, sha256: str, network: Network | None) -> Path:
    """Check a local backbone file against the checksum given, or against the published file's.

    Raises:
        WeightsError: when the file is missing, differs, or nothing says what its checksum should be.
    """
    published = "{} (published with {} {})".format(network.file, *network.checksum) if network else ""
    if not path.is_file():
        hint = f"; the published file is {published}" if published else ""
        raise WeightsError.of("weights.missing", file=path, hint=hint)
    found = checksum(path, "sha256")
    if sha256 and found != sha256.lower():
        raise WeightsError.of("weights.changed", file=path, wanted=sha256, found=found)
    if sha256 or (network is not None and checksum(path, network.checksum[0]) == network.checksum[1]):
        return path
    doubt = f"is not {published}" if published else "has no known checksum"
    raise WeightsError.of("weights.doubtful", file=path, doubt=doubt, found=found)
