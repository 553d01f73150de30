"""Read sex and age from the folder names of the Digital Hand Atlas: `JPEGimages/ASIF/ASIF05/5262.jpg`.

The number is the child's age in completed years, so the middle of that year is taken: 5 means 66 months. The readings
of its headerless table can be used instead by naming its columns by number, from 1, in the source's `columns`.
"""

from __future__ import annotations

import re

_FOLDER = re.compile(r"^(?:asi|blk|cau|his)([fm])(\d{1,2})$")
_SEXES = {"f": "female", "m": "male"}
NAME = "Digital Hand Atlas"


def parse_folder(image: str) -> tuple[str, str]:
    """Read sex and age from the folder that an image of the atlas lies in.

    Returns:
        The sex word and the months as text, both empty when it is no such folder.

    Example:
        >>> parse_folder("JPEGimages/CAUM/CAUM12/7186.jpg")
        ('male', '150')
    """
    for folder in reversed(image.lower().replace("\\", "/").split("/")[:-1]):
        found = _FOLDER.match(folder)
        if found:
            return _SEXES[found[1]], str(12 * int(found[2]) + 6)
    return "", ""
