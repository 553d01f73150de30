"""Write and read a prepared film as a PNG that carries hash, warnings and fingerprint of its original."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, PngImagePlugin

from boneage.config import PreprocessConfig
from boneage.data.archives import split_frame
from boneage.data.fingerprint import fingerprint
from boneage.data.flags import pixels_sha256
from boneage.data.images import read_radiograph
from boneage.data.transforms import FilmSource
from boneage.preprocess.preparer import Preparer

_NOTE = "boneage"
_PREPARERS: dict[PreprocessConfig, Preparer] = {}


@dataclass(frozen=True)
class Note:
    """What a prepared PNG says about itself."""

    content: str
    warnings: tuple[str, ...]
    fingerprint: str = ""


def prepare_png(source: FilmSource, config: PreprocessConfig, data: bytes | None = None) -> bytes:
    """Prepare one film as the bytes of its PNG, with what is noted about it inside.

    Args:
        source: Where the film is, and how it was stored.
        config: The steps; the network of each configuration is opened once per process.
        data: The file's bytes, where they are there already.

    Raises:
        ImageError: when the film cannot be read.
    """
    preparer = _PREPARERS.setdefault(config, Preparer(config, threads=1))
    frame = split_frame(source.image)[1]
    radiograph = read_radiograph(source.image if data is None else data, name=source.image, frame=frame)
    film = source.fit(radiograph.pixels)
    prepared = preparer.prepare(film, source.laterality or radiograph.laterality)
    known = {"content": pixels_sha256(film), "warnings": prepared.warnings, "fingerprint": fingerprint(film)}
    note = PngImagePlugin.PngInfo()
    note.add_text(_NOTE, json.dumps(known))
    buffer = BytesIO()
    Image.fromarray(prepared.image).save(buffer, format="PNG", pnginfo=note, compress_level=1)
    return buffer.getvalue()


def read_note(file: Path) -> Note | None:
    """Read what a prepared PNG says about itself; None when it is missing or not one of ours."""
    try:
        with Image.open(file) as picture:
            note = json.loads(picture.info[_NOTE])
            return Note(str(note["content"]), tuple(note["warnings"]), str(note.get("fingerprint", "")))
    except (OSError, SyntaxError, KeyError, TypeError, ValueError):
        return None
