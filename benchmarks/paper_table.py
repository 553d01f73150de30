"""Print the paper's results beside those of studies made its way, as a markdown table: `docs/paper.md` is made of it.

    python benchmarks/paper_table.py paper-lite0 paper-lite2 paper-mobilenetv2

Reads what the studies wrote into their folders of the workspace (`report/paper.csv`, `report/validation.csv`): the ten
models over the folds and final, the whole cascade with 95 % bootstrap intervals, and who was in the sets.
"""

from __future__ import annotations

import argparse
import json
import sys

import pandas as pd

from boneage.evaluation.metrics_table import account, rows_of
from boneage.groups import PARTS
from boneage.paths import study_folder
from boneage.tables import markdown_table

_WHOLE = ("mae_months", "rmse_months", "bias_months", "within_12_months", "within_24_months", "accuracy")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+", metavar="STUDY")
    studies = parser.parse_args().studies
    print(markdown_table(models_table(studies)), end="\n\n")
    print(markdown_table(cascade_table(studies)), end="\n\n")
    print(markdown_table(films_table(studies[0])))
    return 0


def models_table(studies: list[str]) -> pd.DataFrame:
    """Return one row per published figure: the paper's, and each study's over the folds and final."""
    tables = [pd.read_csv(study_folder(name) / "report" / "paper.csv", dtype=str).fillna("") for name in studies]
    found = tables[0][["model", "figure", "the paper's images", "paper, folds", "paper, final"]]
    for name, table in zip(studies, tables, strict=True):
        found = found.assign(**{f"{name}, folds": table["ours, folds"], f"{name}, final": table["ours, final"]})
    return found


def cascade_table(studies: list[str]) -> pd.DataFrame:
    """Return the whole cascade's figures on the validation films, with intervals, and the constant predictor's."""
    rows = []
    for name in studies:
        frame = pd.read_csv(study_folder(name) / "report" / "validation.csv")
        figures = account(frame)
        of_all = figures[figures["part"] == "all"].set_index("metric")
        cells = {metric: _cell(of_all.loc[metric]) for metric in _WHOLE}
        constant = (frame["constant_months"] - frame["true_months"]).abs().mean()
        rows.append({"study": name, **cells, "constant predictor": f"{constant:.2f}"})
    return pd.DataFrame(rows)


def films_table(study: str) -> pd.DataFrame:
    """Return how many validation films each part has, beside the study's number of training films."""
    frame = pd.read_csv(study_folder(study) / "report" / "validation.csv")
    splits = json.loads((study_folder(study) / "splits.json").read_text(encoding="utf-8"))
    row = {"training films": len(splits["train"])}
    return pd.DataFrame([row | {f"validation, {part.name}": len(rows_of(frame, part)) for part in PARTS}])


def _cell(row: pd.Series) -> str:
    digits = 2 if "_months" in str(row.name) and not str(row.name).startswith("within") else 3
    return f"{row['value']:.{digits}f} ({row['low']:.{digits}f} to {row['high']:.{digits}f})"


if __name__ == "__main__":
    sys.exit(main())
