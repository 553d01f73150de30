"""Remove the background with a mask network: `handmask`, our own, by ONNX Runtime; every other one by rembg.

The only module that imports rembg, and only for its own networks: rembg imports alpha matting, scikit-image and numba
(whose compiler is switched off meanwhile: 1.5 s instead of more than a minute), of which a mask needs nothing. What
`handmask` gives is what the same network gives as a rembg session, to the byte. Nothing is ever sent to a remote
service: such sessions are refused.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boneage.errors import BoneageError, nearest
from boneage.needs import how_to_install, installed
from boneage.preprocess import handmask
from boneage.weights.files import here
from boneage.weights.table import WeightsError, published

Film = NDArray[np.uint8]
MaskFunction = Callable[[Film], Film]

NONE = "none"
HANDMASK = "handmask"
_NOT_ONE_MASK = frozenset({"sam", "u2net_cloth_seg", "u2net_custom", "ben_custom", "dis_custom"})
_WANTED = "give U^2-Net's interface (input 1 x 3 x 320 x 320) or handmask's (1 x 1 x 256 x 256)"
_IMPORT_LOCK = threading.Lock()


class BackgroundError(BoneageError):
    """A mask network that cannot be used; the message says which, why, and what to do."""


def mask_session(name: str, threads: int = 0) -> MaskFunction:
    """Open the network that separates the hand from the background.

    Args:
        name: `handmask` (shipped), a local rembg session such as `u2net`, the path of an `.onnx` file with the
            interface of either, or `none`.
        threads: Threads of onnxruntime; 0 lets it choose.

    Returns:
        A function from a film, uint8 (H, W), to its soft mask, uint8 (H, W), where 255 is surely hand. A film of a
        single grey level has an empty mask.

    Raises:
        BackgroundError: when the name is unknown, remote, or the weights are not there.
    """
    if name == NONE:
        return _everything
    ours = _open_handmask(name, threads)
    network = ours or _rembg_masks(name, threads)

    def mask(film: Film) -> Film:
        return np.zeros_like(film) if film.min() == film.max() else network(film)

    return mask


def network_identity(name: str) -> str:
    """Return what identifies a mask network across machines: its file's sha256, or the name of a rembg session.

    Raises:
        BackgroundError: when a local file is missing.
    """
    path = _local_file(name)
    return name if path is None else "sha256:" + _file_sha256(str(path), path.stat().st_mtime_ns)


def network_file(name: str) -> Path | None:
    """Return the ONNX file of `handmask` or of a local path, which a bundle must carry; None for the others.

    Raises:
        BackgroundError: when the file is missing.
    """
    return _local_file(name)


def _everything(film: Film) -> Film:
    return np.full_like(film, 255)


def _open_handmask(name: str, threads: int) -> MaskFunction | None:
    """Open `handmask`, or a file with its interface (one grey channel); None for any other network."""
    path = _local_file(name)
    if path is None:
        return None
    session = _session(path, threads)
    entry = session.get_inputs()[0]
    if len(entry.shape) != 4 or entry.shape[1] != 1:
        return None

    def network(film: Film) -> Film:
        output = session.run(None, {entry.name: handmask.network_input(film)})[0]
        return handmask.mask_from_output(output, (film.shape[0], film.shape[1]))

    return network


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    # ONNX Runtime has an exception of its own for every reason why a file is no network.
    try:
        return onnxruntime.InferenceSession(str(path), _options(threads), providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001
        raise BackgroundError.of("background.unusable", file=path, wanted=_WANTED, reason=error) from error


def _rembg_masks(name: str, threads: int) -> MaskFunction:
    """Open a named session of rembg, or a file with U^2-Net's interface."""
    rembg, session = _rembg(), _open(name, threads)

    def network(film: Film) -> Film:
        with np.errstate(divide="ignore", invalid="ignore"):
            soft = rembg.remove(film, session=session, only_mask=True)
        if soft.shape != film.shape:
            raise BackgroundError.of("background.shape", name=name, wanted=film.shape, came=soft.shape)
        return np.asarray(soft, np.uint8)

    return network


def _open(name: str, threads: int) -> Any:
    path = _local_file(name)
    if path is None:
        return _open_named(name, threads)
    try:
        return _local_session_class()(path.stem, _options(threads), model_path=str(path))
    except (KeyError, RuntimeError, ValueError) as error:
        raise BackgroundError.of("background.unusable", file=path, wanted=_WANTED, reason=error) from error


def _open_named(name: str, threads: int) -> Any:
    rembg = _rembg()
    known = rembg.sessions.sessions
    session_class = known.get(name)
    if session_class is None or name in _NOT_ONE_MASK:
        raise BackgroundError.of("background.unknown", given=name, near=nearest(name, [HANDMASK, NONE, *known]))
    if not session_class.is_local() or session_class.requires_credentials():
        raise BackgroundError.of("background.remote", name=name)
    known_file = published(name)
    try:
        if known_file is not None:  # rembg takes any file that lies in the place
            here(known_file)
        return rembg.new_session(name, sess_opts=_options(threads))
    except WeightsError as error:
        raise BackgroundError(error.sentence) from error
    except (OSError, ValueError, RuntimeError) as error:
        fetched = f"run `boneage weights fetch {name}`, " if known_file is not None else ""
        raise BackgroundError.of(
            "background.download",
            name=name,
            fetch=fetched,
            reason=type(error).__name__,
            file=name,
            folder=session_class.model_dir(),
        ) from error


def _local_file(name: str) -> Path | None:
    """Return the file behind `handmask` or an `.onnx` path; None for rembg's named sessions and `none`."""
    if name == HANDMASK:
        return handmask.model_path()
    if not name.lower().endswith(".onnx"):
        return None
    path = Path(name).expanduser()
    if not path.is_file():
        raise BackgroundError.of("background.missing", file=path)
    return path


@lru_cache(maxsize=8)
def _file_sha256(path: str, modified: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _options(threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Threads that spin while they wait take the core that reads the next film.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = threads
    return options


@cache
def _local_session_class() -> Any:
    """Make the rembg session class for files (here, because its base comes with the lazy import)."""
    _rembg()
    from rembg.sessions.u2net_custom import U2netCustomSession

    class LocalU2netSession(U2netCustomSession):
        """Any U^2-Net file, wherever it lies (rembg's own class wants it inside its home)."""

        @classmethod
        def download_models(cls, *args: Any, **kwargs: Any) -> str:
            """Return the local file: nothing is downloaded."""
            return str(kwargs["model_path"])

    return LocalU2netSession


def _rembg() -> Any:
    """Import rembg once, with numba's compiler off."""
    if not installed("rembg"):
        raise BackgroundError.of("background.rembg", how=how_to_install())
    with _IMPORT_LOCK, _numba_compiler_off():
        import rembg
    return rembg


@contextmanager
def _numba_compiler_off() -> Iterator[None]:
    if "rembg" in sys.modules:
        yield
        return
    before = os.environ.get("NUMBA_DISABLE_JIT")
    loaded = sys.modules.get("numba")
    setting = loaded.config.DISABLE_JIT if loaded else int(before or 0)
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    if loaded:
        loaded.config.DISABLE_JIT = 1
    try:
        yield
    finally:
        if before is None:
            del os.environ["NUMBA_DISABLE_JIT"]
        else:
            os.environ["NUMBA_DISABLE_JIT"] = before
        if "numba" in sys.modules:
            sys.modules["numba"].config.DISABLE_JIT = setting
