"""Packages that only some commands need: imported where they are used; where one is missing, its extra is named."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import ModuleType

from boneage.errors import BoneageError

TRAIN = "train"
_EXTRAS = {
    **dict.fromkeys(
        ("keras", "mlflow", "onnx", "optuna", "plotly", "psutil", "rembg", "scipy", "skimage", "sklearn", "sqlalchemy",
         "tensorflow", "tomli_w"), TRAIN
    ),
    **dict.fromkeys(("psycopg", "ray"), "cluster"),
    **dict.fromkeys(("fhir", "fpdf", "highdicom", "pynetdicom"), "hospital"),
    "torch": "pretrain",
}  # fmt: skip


class MissingPartError(BoneageError):
    """A package that is not installed; the message says what wants it and which extra of boneage brings it."""


def installed(name: str) -> bool:
    """Tell whether a package can be imported, without importing it."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def how_to_install(extra: str = TRAIN) -> str:
    """Return the command that installs an extra of boneage."""
    return f"pip install 'boneage[{extra}]'"


def needed(name: str, purpose: str, extra: str = TRAIN) -> ModuleType:
    """Import a package that is no part of the plain installation.

    Args:
        name: the module.
        purpose: what wants it, as in "to {purpose}".
        extra: the extra of boneage that installs it.

    Raises:
        MissingPartError: when it is not installed.
    """
    require(name, purpose, extra)
    return importlib.import_module(name)


def require(name: str, purpose: str, extra: str = TRAIN) -> None:
    """Raise `MissingPartError` where a package is not installed; arguments as of `needed`."""
    if not installed(name):
        raise MissingPartError.of("part.needed", purpose=purpose, name=name, how=how_to_install(extra))


def missing_part(error: ModuleNotFoundError) -> MissingPartError | None:
    """Say which extra brings the package that an import missed; None where it is no package of an extra."""
    name = (error.name or "").partition(".")[0]
    if name not in _EXTRAS:
        return None
    return MissingPartError.of("part.missing", name=name, how=how_to_install(_EXTRAS[name]))


def import_keras_quietly() -> None:
    """Import Keras with stderr closed to TensorFlow's chatter, which no variable of its own silences at import.

    Nothing is hidden from whoever asks for it (TF_CPP_MIN_LOG_LEVEL of 0 or 1), and errors are raised as ever.
    """
    require("keras", "train, or open a cascade of before cascades carried a graph for serving")
    if "keras" in sys.modules or os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0") in {"0", "1"}:
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import keras  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
