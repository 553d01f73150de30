"""Files of a bundle that need not travel, because every installation of this version can make them again.

An archive that is exported lean leaves them out; its manifest keeps their checksums, so an import knows whether what it
made is what was exported. The cascade that ships with the package is such an archive: else its backbone would lie there
twice.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from boneage.cascade.bundle import BACKBONE_FILE, MASK_FILE, file_sha256
from boneage.config import BackboneConfig, PreprocessConfig
from boneage.learn.backbones import HANDNET, open_backbone
from boneage.preprocess.background import HANDMASK, network_file

REMADE = (BACKBONE_FILE, MASK_FILE)


def leave_out(bundle: Path) -> frozenset[str]:
    """Return which files of a bundle this installation makes byte for byte."""
    found = set()
    with tempfile.TemporaryDirectory() as temporary:
        for name in REMADE:
            made, own = Path(temporary) / name, bundle / name
            if own.is_file() and file_sha256(remake(name, made)) == file_sha256(own):
                found.add(name)
    return frozenset(found)


def remake(name: str, path: Path) -> Path:
    """Write one of `REMADE` from the networks that ship with this installation.

    Raises:
        ValueError: when it is another file.
        WeightsError: when this installation's own networks are missing or damaged.
    """
    if name == BACKBONE_FILE:
        config = BackboneConfig(HANDNET, "asset")
        return open_backbone(config, PreprocessConfig().size).save(path)
    if name == MASK_FILE:
        network = network_file(HANDMASK)
        if network is not None:
            return Path(shutil.copyfile(network, path))
    raise ValueError(f"one of {', '.join(REMADE)} can be made again, but {name!r} was asked for")
