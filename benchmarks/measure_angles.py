"""Is the same hand read alike at every angle, mirrored or not, in every frame?

    python benchmarks/measure_angles.py configs/rsna.toml --set data.root=PATH [--films 12] [--model shipped]

Each training film is turned by twelve angles and mirrored or not; each of these 24 draws is laid into one of the eight
frames of `boneage/gate/frames.py` (every frame with every angle over eight films). What is read is compared with the
film as it comes. Which hand it is, is not said: the gate must see it. A change of more than 6 months is named.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import numpy as np
import pandas as pd

from boneage.cascade.cascade import Cascade
from boneage.config import load_config
from boneage.data.annotations import read_row
from boneage.data.transforms import shrink
from boneage.errors import BoneageError
from boneage.gate.frames import FRAMES
from boneage.notices import codes_of
from boneage.preprocess.posture import turn
from boneage.registry.opening import open_cascade, open_shipped
from boneage.study.materials import part_table, sample
from boneage.tables import text_table

ANGLES = tuple(range(0, 360, 30))
SIDE, FAR = 640, 6.0
COLUMNS = ["id", "frame", "angle", "mirrored", "months", "change", "codes"]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--films", type=int, default=12)
    parser.add_argument("--model", default="shipped", help="shipped, or a model's address")
    parser.add_argument("--out", help="write one row per draw to this CSV")
    args = parser.parse_args()
    cascade = open_shipped() if args.model == "shipped" else open_cascade(args.model)
    table = part_table(load_config(args.config, args.overrides), "train", lambda _: lambda *_: None)
    films = sample(table, args.films).iterrows()
    rows = [one for number, (_, row) in enumerate(films) for one in measured(cascade, row, number)]
    found = pd.DataFrame(rows, columns=COLUMNS)
    if args.out:
        found.to_csv(args.out, index=False)
    print(text_table(summary(found)))
    far = found[found["change"].abs() > FAR]
    print(text_table(far.drop(columns="months")) if len(far) else f"no change of more than {FAR:g} months")
    return 0


def measured(cascade: Cascade, row: pd.Series, number: int) -> Iterator[tuple]:
    """Yield (id, frame, angle, mirrored, months, change in months, codes of the notices) of one film's draws."""
    film, sex = shrink(read_row(row), SIDE), row["sex"]
    rng = np.random.default_rng(number)
    plain, said = read(cascade, film, sex)
    yield row["id"], "as it comes", 0, False, plain, 0.0, said
    for draw, (angle, mirrored) in enumerate((angle, mirrored) for angle in ANGLES for mirrored in (False, True)):
        seen = np.ascontiguousarray(film[:, ::-1]) if mirrored else film
        name = list(FRAMES)[(number + draw) % len(FRAMES)]
        months, said = read(cascade, FRAMES[name](turn(seen, angle) if angle else seen, rng)[0], sex)
        yield row["id"], name, angle, mirrored, months, months - plain, said


def read(cascade: Cascade, film: np.ndarray, sex: str) -> tuple[float, str]:
    """Return the age in months (NaN where it is refused) and the codes of what is said."""
    try:
        estimate = cascade.estimate(film, sex)
    except BoneageError as error:
        return np.nan, str(getattr(error, "code", "other"))
    return estimate.bone_age_months, " ".join(codes_of(estimate.warnings))


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Return a row per frame, per angle (mirrored or not), and of all draws."""
    drawn = found[found["frame"] != "as it comes"]
    parts = [("all", drawn), *drawn.groupby("frame", sort=False)]
    parts += [(f"{angle} degrees", part) for angle, part in drawn.groupby("angle")]
    parts += [("mirrored" if is_so else "not mirrored", part) for is_so, part in drawn.groupby("mirrored")]
    rows = []
    for name, part in parts:
        change = part["change"].abs().dropna()
        rows.append(
            {
                "draws": name,
                "films": len(part),
                "refused": int(part["months"].isna().sum()),
                "median change": float(change.median()),
                "90 % below": float(change.quantile(0.9)),
                "largest": float(change.max()),
                f"over {FAR:g}": int((change > FAR).sum()),
            }
        )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    sys.exit(main())
