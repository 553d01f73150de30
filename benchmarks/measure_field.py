"""Measure the exposed field: are a frame's corners found, and is a hand ever cut?

    python benchmarks/measure_field.py configs/rsna.toml --set data.root=PATH [--films 1000] [--seed 1]

Training films without a border of their own are framed in eight ways, and the corners that are found are compared
with those that were drawn. A frame counts where it can be seen: at most a quarter of the film's own edge has its tone.
The fields are those that are used: held against the mask of the framed film. A hand is cut where every field leaves out
more than 1 % of the mask of the film without its frame; that is also looked for on every film as it comes.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
import pandas as pd

from boneage.config import load_config
from boneage.data.annotations import read_row
from boneage.data.transforms import shrink
from boneage.gate.frames import FRAMES, corners_of
from boneage.preprocess.background import mask_session
from boneage.preprocess.field import Field, exposed_fields
from boneage.preprocess.steps import select_object
from boneage.preprocess.whole_hand import fields_around_hands
from boneage.study.materials import part_table, sample
from boneage.tables import text_table

SIDE, CUT = 512, 0.01
DARK = frozenset(name for name in FRAMES if "black" in name or "collimation" in name or "another" in name)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--films", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    table = sample(
        part_table(load_config(given.config, given.overrides), "train", lambda _: lambda *_: None), given.films
    )
    mask, rng = mask_session("handmask"), np.random.default_rng(given.seed)
    rows = [one for _, row in table.iterrows() for one in measured(shrink(read_row(row), SIDE), mask, rng)]
    found = pd.DataFrame(rows, columns=["frame", "seen", "found", "error", "cut"])
    print(text_table(summary(found)))


def measured(film: np.ndarray, mask, rng: np.random.Generator) -> list[tuple]:  # noqa: ANN001
    """Return (frame, whether it can be seen, whether a field was found, corner error, whether the hand was cut)."""
    hand, own = select_object(mask(film) >= 128), used_fields(film, mask)
    rows = [("as it comes", bool(own), bool(own), np.nan, bool(own) and cut(own, corners_of(film), hand))]
    if own:
        return rows
    edge = np.concatenate([film[0], film[-1], film[:, 0], film[:, -1]])
    for name, frame in FRAMES.items():
        framed, corners = frame(film, rng)
        fields = used_fields(framed, mask)
        seen = (edge < 18).mean() <= 0.25 if name in DARK else (edge > 215).mean() <= 0.25 or "white" not in name
        error = np.hypot(*(fields[0].corners - corners).T).max() / max(film.shape) if fields else 1.0
        rows.append((name, seen, bool(fields), error, bool(fields) and cut(fields, corners, hand)))
    return rows


def used_fields(film: np.ndarray, mask) -> tuple[Field, ...]:  # noqa: ANN001
    """Return the exposed fields as gate and `boneage steps` use them."""
    fields = exposed_fields(film)
    return fields_around_hands(fields, mask(film)) if fields else ()


def cut(fields: tuple[Field, ...], corners: np.ndarray, hand: np.ndarray) -> bool:
    """Tell whether every field leaves out more than 1 % of the hand."""
    back = cv2.getPerspectiveTransform(corners, corners_of(hand))
    lost = []
    for field in fields:
        outline = cv2.perspectiveTransform(field.corners[None], back)[0]
        kept = cv2.fillConvexPoly(np.zeros(hand.shape, np.uint8), np.rint(outline).astype(np.int32), 1)
        lost.append((hand & (kept == 0)).sum() / max(1, hand.sum()))
    return min(lost) > CUT


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Return a row per frame."""
    rows = []
    for name, part in found.groupby("frame", sort=False):
        seen = part[part["seen"]]
        rows.append(
            {
                "frame": name,
                "films": len(part),
                "frame visible": len(seen),
                "field found": float(seen["found"].mean()),
                "median corner error": float(seen["error"].median()),
                "90 % quantile": float(seen["error"].quantile(0.9)),
                "hands cut": int(part["cut"].sum()),
            }
        )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
