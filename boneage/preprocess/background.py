"""Remove the background by rembg, always with an explicitly named local network.

The only module that imports rembg, and lazily: rembg imports numba-compiled alpha matting, which is never used here, so
numba's compiler is switched off while it is imported (1.5 s instead of more than a minute). Nothing is ever sent to a
remote service: such sessions are refused.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
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

from boneage.errors import BoneageError
from boneage.preprocess import handmask

Film = NDArray[np.uint8]
MaskFunction = Callable[[Film], Film]

NONE = "none"
HANDMASK = "handmask"
_NOT_ONE_MASK = frozenset({"sam", "u2net_cloth_seg", "u2net_custom", "ben_custom", "dis_custom"})
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
    session = _open(name, threads)

    def mask(film: Film) -> Film:
        if film.min() == film.max():
            return np.zeros_like(film)
        with np.errstate(divide="ignore", invalid="ignore"):
            soft = _rembg().remove(film, session=session, only_mask=True)
        if soft.shape != film.shape:
            raise BackgroundError(f"background {name!r} should give one mask of {film.shape}, but gave {soft.shape}")
        return np.asarray(soft, np.uint8)

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


def _open(name: str, threads: int) -> Any:
    path = _local_file(name)
    _rembg()
    if path is None:
        return _open_named(name, threads)
    import onnxruntime

    try:
        session_class = _session_classes()[_channels(path)]
        return session_class(path.stem, _options(threads), model_path=str(path))
    except (KeyError, RuntimeError, ValueError, onnxruntime.capi.onnxruntime_pybind11_state.InvalidProtobuf) as error:
        raise BackgroundError(
            f"{path} is not a mask network that can be used: give U^2-Net's interface "
            f"(input 1 x 3 x 320 x 320) or handmask's (1 x 1 x 256 x 256) ({error})"
        ) from error


def _open_named(name: str, threads: int) -> Any:
    rembg = _rembg()
    known = rembg.sessions.sessions
    session_class = known.get(name)
    if session_class is None or name in _NOT_ONE_MASK:
        near = difflib.get_close_matches(name, [HANDMASK, NONE, *known], n=1, cutoff=0.0)[0]
        raise BackgroundError(
            f"no background named {name!r}: give 'handmask', 'none', the path of an .onnx file or a local rembg "
            f"session such as 'u2net' (nearest: {near!r})"
        )
    if not session_class.is_local() or session_class.requires_credentials():
        raise BackgroundError(f"background {name!r} would send the radiograph to a remote service: use a local one")
    try:
        return rembg.new_session(name, sess_opts=_options(threads))
    except (OSError, ValueError, RuntimeError) as error:
        raise BackgroundError(
            f"the weights of background {name!r} are neither here nor could be downloaded ({type(error).__name__}): "
            f"put {name}.onnx into {session_class.model_dir()} or give its path as preprocess.background"
        ) from error


def _local_file(name: str) -> Path | None:
    """Return the file behind `handmask` or an `.onnx` path; None for rembg's named sessions and `none`."""
    if name == HANDMASK:
        try:
            return handmask.model_path()
        except (FileNotFoundError, ValueError) as error:
            raise BackgroundError(f"background 'handmask' cannot be used: {error}") from error
    if not name.lower().endswith(".onnx"):
        return None
    path = Path(name).expanduser()
    if not path.is_file():
        raise BackgroundError(f"no mask network at {path}: check preprocess.background")
    return path


@lru_cache(maxsize=8)
def _file_sha256(path: str, modified: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _options(threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if threads:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = threads
    return options


def _channels(path: Path) -> int:
    """Read how many channels a mask network takes: 1 is handmask's interface, 3 is U^2-Net's."""
    import onnxruntime

    shape = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).get_inputs()[0].shape
    return int(shape[1]) if len(shape) == 4 and isinstance(shape[1], int) else 0


@cache
def _session_classes() -> dict[int, Any]:
    """Make the two rembg session classes of ours (here, because their bases come with the lazy import)."""
    _rembg()
    from PIL import Image
    from rembg.sessions.base import BaseSession
    from rembg.sessions.u2net_custom import U2netCustomSession

    class HandmaskSession(BaseSession):
        """The shipped hand segmentation network as a rembg session."""

        @classmethod
        def download_models(cls, *args: Any, **kwargs: Any) -> str:
            """Return the local file: nothing is downloaded."""
            return str(kwargs["model_path"])

        @classmethod
        def name(cls, *args: Any, **kwargs: Any) -> str:
            return HANDMASK

        def predict(self, img: Image.Image, *args: Any, **kwargs: Any) -> list[Image.Image]:
            """Return the one soft mask of a film."""
            grey = np.asarray(img.convert("L"))
            entry = self.inner_session.get_inputs()[0].name
            output = self.inner_session.run(None, {entry: handmask.network_input(grey)})[0]
            return [Image.fromarray(handmask.mask_from_output(output, (grey.shape[0], grey.shape[1])))]

    class LocalU2netSession(U2netCustomSession):
        """Any U^2-Net file, wherever it lies (rembg's own class wants it inside its home)."""

        @classmethod
        def download_models(cls, *args: Any, **kwargs: Any) -> str:
            """Return the local file: nothing is downloaded."""
            return str(kwargs["model_path"])

    return {1: HandmaskSession, 3: LocalU2netSession}


def _rembg() -> Any:
    """Import rembg once, with numba's compiler off; without onnxruntime rembg would end the process, so look first."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise BackgroundError("background removal needs onnxruntime, which is not installed: pip install 'rembg[cpu]'")
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
