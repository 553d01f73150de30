"""Find the image file of a table row in folders and archives, each listed once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from boneage.data.archives import DataError, join, list_files, split_frame

IMAGE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".jp2", ".dcm", ".dicom"})
_NOT_IMAGES = frozenset({"mask", "masks"})


def image_files(root: str) -> list[str]:
    """List the files under a folder or archive that may be radiographs: by ending, DICOM also without one.

    Raises:
        DataError: when there is no such folder or archive.
    """
    return [name for name in list_files(root) if _may_be_image(name)]


class ImageFinder:
    """Finds images by id, file name or relative path in several places; the first place that has it wins.

    Args:
        roots: Folders or zip archives, in the order in which they are searched.

    Raises:
        DataError: when one of them is not there.
    """

    def __init__(self, roots: Iterable[str]) -> None:
        self._places = [_Place(root) for root in roots]

    def find(self, wanted: str) -> str:
        """Return the reference of the image that `wanted` (an id, a name or a relative path, `film.dcm#2`) means.

        Raises:
            DataError: when no place has it, or one place has several of that name.
        """
        for place in self._places:
            found = place.matches(wanted)
            if len(found) == 1:
                return join(place.root, found[0])
            name, frame = split_frame(wanted)
            if frame is not None and len(place.matches(name)) == 1:
                return f"{join(place.root, place.matches(name)[0])}#{frame}"
            if found:
                raise DataError.of("row.many_images", count=len(found), wanted=wanted, first=found[0], second=found[1])
        raise DataError.of("row.no_image", wanted=wanted, places=", ".join(place.root for place in self._places))

    def unwanted(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """Return the references of the images that none of these ids, names or relative paths means."""
        meant: set[tuple[str, str]] = set()
        for text in wanted:
            for place in self._places:
                meant.update((place.root, name) for name in place.matches(text))
        everything = ((place.root, name) for place in self._places for name in place.files)
        return tuple(join(root, name) for root, name in everything if (root, name) not in meant)


class _Place:
    """One folder or archive and its files by stem (lower case, without ending) and by number."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.files = image_files(root)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        self._by_number: dict[int, list[str]] = defaultdict(list)
        for name in self.files:
            stem = _last(_bare(name))
            self._by_stem[stem].append(name)
            if _is_number(stem):
                self._by_number[int(stem)].append(name)

    def matches(self, wanted: str) -> list[str]:
        """Return the files meant: the whole path first, then the end of a path, then a number without its zeros."""
        path = wanted.replace("\\", "/").strip().removeprefix("./").lower()
        bare = _bare(path)
        named = [name for name in self._by_stem.get(_last(bare), []) if f"/{_bare(name)}".endswith(f"/{bare}")]
        exact = [name for name in named if f"/{name.lower()}".endswith(f"/{path}")]
        whole = [name for name in exact if name.lower() == path]
        if whole or exact or named or not _is_number(bare):
            return whole or exact or named
        return self._by_number.get(int(bare), [])


def _bare(name: str) -> str:
    """Return a lower-case path without its image ending."""
    head, dot, ending = name.lower().rpartition(".")
    return head if dot and f".{ending}" in IMAGE_ENDINGS else name.lower()


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _may_be_image(name: str) -> bool:
    *folders, last = name.lower().split("/")
    if _NOT_IMAGES.intersection(folders):
        return False
    head, dot, ending = last.rpartition(".")
    has_ending = bool(dot) and bool(head) and len(ending) <= 5 and not ending.isdigit()
    return f".{ending}" in IMAGE_ENDINGS if has_ending else True
