"""Prepared films in two small files, for training on a machine that has a GPU but not the radiographs.

`films.bin` holds one WebP image after the other, `films.json` where each begins, whose it is and which children may be
trained on. Such a machine needs PyTorch, NumPy and OpenCV, and none of this package's other libraries. No film of a
validation or unseen child is among those marked `train`. Quality 90 changes grey levels by 1.4 (root mean square) and
takes 30 MB instead of 78; the figures of a training record are measured on the films themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.pretrain.sources import Child

PACKED_SIDE = 160
FILMS, TABLE = "films.bin", "films.json"
ROLES = ("train", "unseen", "validation")
_QUALITY = [cv2.IMWRITE_WEBP_QUALITY, 90]


@dataclass(frozen=True)
class Pack:
    """Films of one folder.

    Attributes:
        images: uint8 (N, side, side), prepared hands, background 0.
        child: int (N,), the place of each film's child in `kids`.
        large: bool (N,), whether the film is the 1024 px copy.
        kids: The children.
        role: Each child's role, one of `ROLES`.
        data: What the training record says of the data.
    """

    images: NDArray[np.uint8]
    child: NDArray[np.int64]
    large: NDArray[np.bool_]
    kids: tuple[Child, ...]
    role: tuple[str, ...]
    data: dict[str, Any]

    def films(self, role: str) -> NDArray[np.int64]:
        """Return the rows of every film of a role."""
        chosen = np.array([each == role for each in self.role])
        return np.flatnonzero(chosen[self.child])

    def thinned(self, every: int) -> Pack:
        """Return the pack with one child in `every` left to train on; what measures stays whole."""
        trained = [number for number, role in enumerate(self.role) if role == "train"]
        dropped = np.isin(self.child, sorted(set(trained) - set(trained[::every])))
        return replace(self, images=self.images[~dropped], child=self.child[~dropped], large=self.large[~dropped])

    def served(self, role: str) -> NDArray[np.int64]:
        """Return one row per child of a role: the large film where there is one."""
        rows = self.films(role)
        last = {int(self.child[row]): int(row) for row in rows[np.argsort(self.large[rows], kind="stable")]}
        return np.array([last[key] for key in sorted(last)], np.int64)


def write_pack(
    folder: Path,
    images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
    films: Sequence[tuple[str, bool]],
    children: Sequence[tuple[Child, str]],
    data: dict[str, Any],
) -> Path:
    """Write prepared films to a folder.

    Args:
        folder: Where the two files go.
        images: uint8 (N, M, M), shrunk here to `PACKED_SIDE`.
        films: Per image the child's id and whether it is the large copy.
        children: Every child and its role.
        data: What the training record is to say of the data.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    places, begin = [], 0
    with ThreadPoolExecutor() as pool, (folder / FILMS).open("wb") as file:
        for content in pool.map(_encode, images):
            places.append(begin)
            begin += file.write(content)
    table = {
        "side": PACKED_SIDE,
        "begin": [*places, begin],
        "films": [[name, bool(large)] for name, large in films],
        "children": [[kid.id, kid.age_months, kid.male, role] for kid, role in children],
        "data": data,
    }
    (folder / TABLE).write_text(json.dumps(table), encoding="utf-8")
    return folder


def read_pack(folder: Path) -> Pack:
    """Read what `write_pack` wrote.

    Raises:
        FileNotFoundError: when one of the two files is missing.
        ValueError: when a film cannot be decoded.
    """
    table = json.loads((folder / TABLE).read_text(encoding="utf-8"))
    content, begin, side = (folder / FILMS).read_bytes(), table["begin"], table["side"]
    with ThreadPoolExecutor() as pool:
        decoded = list(pool.map(lambda k: _decode(content[begin[k] : begin[k + 1]], side), range(len(begin) - 1)))
    kids = tuple(Child(name, float(age), int(male)) for name, age, male, _ in table["children"])
    place = {kid.id: number for number, kid in enumerate(kids)}
    return Pack(
        np.stack(decoded),
        np.array([place[name] for name, _ in table["films"]], np.int64),
        np.array([large for _, large in table["films"]], bool),
        kids,
        tuple(role for *_, role in table["children"]),
        table["data"],
    )


def pack_study(data: Path, out: Path, progress: Callable[[str], None]) -> Path:
    """Prepare every film of a data folder (or find it prepared in `out/cache`) and pack it into `out/pack`."""
    from boneage.pretrain import study

    parts = study.load_study(data, out / "cache", "equalize", progress)
    roles = {"train": parts.train, "unseen": parts.unseen, "validation": parts.validation}
    children = [(kid, role) for role, part in roles.items() for kid in part.kids()]
    prepared = parts.train.prepared
    films = [(film.id, film.large) for film in prepared.films]
    progress(f"packing {len(films)} films")
    return write_pack(out / "pack", prepared.images, films, children, study.describe(parts, "equalize"))


def _encode(image: NDArray[np.uint8]) -> bytes:
    shrunk = cv2.resize(np.asarray(image), (PACKED_SIDE, PACKED_SIDE), interpolation=cv2.INTER_AREA)
    done, content = cv2.imencode(".webp", shrunk, _QUALITY)
    if not done:
        raise ValueError("a prepared film could not be packed: is this OpenCV built without WebP?")
    return content.tobytes()


def _decode(content: bytes, side: int) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None or image.shape != (side, side):
        raise ValueError(f"a packed film should be an image of {side} pixels a side, but is not: pack it again")
    return np.asarray(image, np.uint8)
