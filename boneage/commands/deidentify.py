"""`boneage deidentify`: find names that are burned into films, show them, and write films without them."""

from __future__ import annotations

import argparse
from pathlib import Path

from boneage.commands.common import complain
from boneage.errors import BoneageError
from boneage.notices import warning


def deidentify_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage deidentify`."""
    parser.add_argument("films", metavar="FILM", nargs="+", help="PNG, JPEG, TIFF, DICOM or archive.zip!member")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where pictures are written")
    parser.add_argument("--apply", action="store_true", help="write the films, too; without it only what would be done")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write previews and, with --apply, films without text; return 1 if a film failed or must be looked at."""
    from boneage.data.flags import pixels_sha256
    from boneage.data.images import read_image
    from boneage.files import write_whole
    from boneage.hospital.deidentify import clean, encoded_png, preview
    from boneage.preprocess.background import HANDMASK, mask_session

    mask, failed = mask_session(HANDMASK), False
    for name in args.films:
        try:
            film = read_image(name)
            cleaned = clean(film, mask(film) >= 128)
        except BoneageError as error:
            complain(f"{name}: {error}")
            failed = True
            continue
        key = pixels_sha256(film)[:16]
        write_whole(args.out / f"{key}.preview.png", encoded_png(preview(film, cleaned)))
        if args.apply:
            write_whole(args.out / f"{key}.png", encoded_png(cleaned.film))
        texts = sum(not one.is_side_marker for one in cleaned.found)
        print(f"{name}: {texts} texts, {len(cleaned.found) - texts} side markers; {key}")
        if cleaned.over_the_hand:
            complain(warning("deidentify.over_the_hand", name=name, count=cleaned.over_the_hand))
            failed = True
    if not args.apply:
        print("nothing was changed: look at the previews, then give --apply")
    return 1 if failed else 0
