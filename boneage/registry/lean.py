"""Files of a bundle that need not travel, because every installation of this version has them, byte for byte.

An archive that is exported lean leaves them out; its manifest keeps their checksums, so an import knows whether what it
has is what was exported. The cascade that ships with the package is such an archive: else its networks would lie there
twice.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from boneage.cascade.bundle import BACKBONE_FILE, MASK_FILE, file_sha256
from boneage.learn import handnet
from boneage.preprocess import handmask

SHIPPED = {BACKBONE_FILE: handnet.asset_path, MASK_FILE: handmask.model_path}


def leave_out(bundle: Path) -> frozenset[str]:
    """Return which files of a bundle this installation has.

    Raises:
        FileNotFoundError: when one of this installation's own networks is missing.
        ValueError: when it is damaged.
    """
    names = (name for name in SHIPPED if (bundle / name).is_file())
    return frozenset(name for name in names if file_sha256(SHIPPED[name]()) == file_sha256(bundle / name))


def put_back(name: str, path: Path) -> Path:
    """Copy one of the networks of `SHIPPED` to where an archive left it out; raises as `leave_out`."""
    return Path(shutil.copyfile(SHIPPED[name](), path))
