"""Make a rehearsal site for `boneage recalibrate`: films that the backbone never saw, read by another reader.

    python benchmarks/local_site.py configs/best.toml OUT --set data.root=PATH --films 150 --female 6 --male -4

Training films that were kept away from the backbone. The ten heads did see them, so the error
before the correction looks a little better than at a real site. The other reader is simulated: so many months older or
younger per sex than the study's, rounded to whole months. With 0 and 0 the site needs no correction.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from boneage.config import load_config
from boneage.data.annotations import read_row
from boneage.groups import MAX_AGE_MONTHS
from boneage.study.materials import part_table, unseen


def main() -> None:
    """Write the films and `readings.csv` in the RSNA layout."""
    parser = argparse.ArgumentParser(description="make a rehearsal site for `boneage recalibrate`")
    parser.add_argument("config", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="section.key=value")
    parser.add_argument("--films", type=int, default=150)
    parser.add_argument("--female", type=float, default=0.0, metavar="MONTHS", help="how much older girls are read")
    parser.add_argument("--male", type=float, default=0.0, metavar="MONTHS", help="how much older boys are read")
    args = parser.parse_args()
    config = load_config(args.config, args.overrides)
    table = unseen(part_table(config, "train"), config.backbone, args.films, seed=1)
    args.out.mkdir(parents=True)
    for _, row in table.iterrows():
        cv2.imwrite(str(args.out / f"{row['id']}.png"), read_row(row))
    male = (table["sex"] == "male").to_numpy()
    readings = table["age_months"].to_numpy(float) + np.where(male, args.male, args.female)
    rounded = np.clip(np.round(readings), 1, MAX_AGE_MONTHS).astype(int)
    frame = pd.DataFrame({"id": table["id"].to_numpy(), "boneage": rounded, "male": male})
    frame.to_csv(args.out / "readings.csv", index=False)
    print(f"{len(frame)} films are in {args.out}")


if __name__ == "__main__":
    main()
