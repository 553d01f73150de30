"""What betrays a film whose noise moves the estimate: its measured noise, or the disagreement of views or fold heads?

    python benchmarks/measure_noise.py configs/best.toml --set data.root=PATH [--films 120] [--model URI]

Training films that the backbone never saw (no validation film takes part), each with noise of three strengths. A sign
speaks where it is beyond the limit that one in a hundred of the same films exceeds as they are. A film counts that its
noise moved by over twelve months.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from boneage.cascade.cascade import Cascade
from boneage.cascade.noise_guard import QUANTILE, noise_level
from boneage.cascade.routing import Head
from boneage.commands.common import open_cascade, stage
from boneage.config import load_config
from boneage.data.annotations import read_row
from boneage.evaluation.stress import DISTURBANCES, SIGNIFICANT_MONTHS, add_noise
from boneage.gate.gate import RefusedError
from boneage.groups import ModelKey, Sex
from boneage.learn.features import apply_view
from boneage.learn.heads import ARRAYS
from boneage.preprocess.preparer import Prepared
from boneage.study.materials import part_table, unseen

SIGNS = ("noise", "views", "heads")


@dataclass(frozen=True)
class Asked:
    """What is asked of every film: the whole cascade, and one cascade per fold head."""

    cascade: Cascade
    members: tuple[Cascade, ...]

    def row(self, prepared: Prepared, sex: Sex) -> dict[str, float]:
        """Return the estimate, and the three signs of one prepared film."""
        views = [
            self.cascade.backbone.pooled(apply_view(prepared.image, view)[None])
            for view in self.cascade.config.cascade.views
        ]
        mean = np.asarray(np.mean(views, axis=0))
        return {
            "months": age(self.cascade, mean, sex),
            "noise": noise_level(prepared.image, self.cascade.backbone.input_size),
            "views": float(np.std([age(self.cascade, view, sex) for view in views])),
            "heads": float(np.std([age(member, mean, sex) for member in self.members])),
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="section.key=value")
    parser.add_argument("--films", type=int, default=120)
    parser.add_argument("--model")
    args = parser.parse_args()
    cascade = open_cascade(args.model)
    table = unseen(part_table(load_config(args.config, args.overrides), "train"), cascade.config.backbone, args.films)
    print_table(measure(Asked(cascade, members_of(cascade)), table))


def measure(asked: Asked, table: pd.DataFrame) -> pd.DataFrame:
    """Return a row per film and strength (0: as it is) with its signs, whether the gate accepts it, and its move."""
    rows, bar = [], stage("noise")
    for number, (_, row) in enumerate(table.iterrows(), 1):
        film, sex = read_row(row), Sex(row["sex"])
        plain = asked.row(asked.cascade.prepare(film, anyway=True), sex)
        rows.append({"strength": 0.0, "accepted": True, "moved": 0.0, **plain})
        for strength in DISTURBANCES["noise"].strengths:
            prepared, accepted = pass_gate(asked.cascade, add_noise(film, strength))
            found = asked.row(prepared, sex)
            rows.append(
                {
                    "strength": strength,
                    "accepted": accepted,
                    "moved": abs(found["months"] - plain["months"]),
                    **found,
                }
            )
        bar(number, len(table))
    return pd.DataFrame(rows)


def print_table(frame: pd.DataFrame) -> None:
    """Print what each sign says of the moved films, and how often noise is said at each strength."""
    plain, noisy = frame[frame["strength"] == 0], frame[frame["strength"] > 0]
    limits = {sign: float(plain[sign].quantile(QUANTILE)) for sign in SIGNS}
    moved = noisy[noisy["moved"] > SIGNIFICANT_MONTHS]
    print(f"{len(plain)} films; limits: " + ", ".join(f"{sign} {limit:.2f}" for sign, limit in limits.items()))
    print(
        "| noisy copies moved by over 12 months | copies | noise says so | the views' spread | the fold heads' spread |"
    )
    print("|---|---|---|---|---|")
    for name, part in {"accepted by the gate": moved[moved["accepted"]], "all": moved}.items():
        print(f"| {name} | {len(part)} | " + " | ".join(f"{said(part, sign, limits):.0%}" for sign in SIGNS) + " |")
    print(
        "| noise, grey levels | noise says so | moved by over 12 months | of those accepted by the gate | mean move |"
    )
    print("|---|---|---|---|---|")
    for strength, part in noisy.groupby("strength"):
        passed = part[part["accepted"]]
        far, far_passed = (float((some["moved"] > SIGNIFICANT_MONTHS).mean()) for some in (part, passed))
        means = f"{part['moved'].mean():.1f}; {passed['moved'].mean():.1f} months"
        print(f"| {strength:g} | {said(part, 'noise', limits):.0%} | {far:.0%} | {far_passed:.0%} | {means} |")


def said(part: pd.DataFrame, sign: str, limits: Mapping[str, float]) -> float:
    """Return the share of films of which a sign is beyond its limit."""
    return float((part[sign] > limits[sign]).mean())


def pass_gate(cascade: Cascade, film: np.ndarray) -> tuple[Prepared, bool]:
    """Prepare a film; the second is whether the gate lets it pass."""
    try:
        return cascade.prepare(film), True
    except RefusedError:
        return cascade.prepare(film, anyway=True), False


def members_of(cascade: Cascade) -> tuple[Cascade, ...]:
    """Return one cascade per fold's heads."""
    heads: dict[ModelKey, Head] = {key: head for key, head in cascade.heads.items() if isinstance(head, Head)}
    count = min(len(head.weights) for head in heads.values()) // ARRAYS
    return tuple(
        replace(
            cascade,
            heads={
                key: replace(head, weights=head.weights[member * ARRAYS : (member + 1) * ARRAYS])
                for key, head in heads.items()
            },
            stack=None,
        )
        for member in range(count)
    )


def age(cascade: Cascade, features: np.ndarray, sex: Sex) -> float:
    """Return the routed age of one film, in months."""
    return float(cascade.routed(features, [sex]).ages[0])


if __name__ == "__main__":
    main()
