"""`boneage evaluate`: score a cascade on labelled images, beside the published figures."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import pandas as pd

from boneage import plots
from boneage.commands.common import UsageError, add_model, add_overrides, complain, notice, open_cascade, stage
from boneage.config import load_config
from boneage.data.annotations import load_folder, load_test, load_training
from boneage.data.splits import load_or_draw
from boneage.errors import BoneageError
from boneage.evaluation.evaluate import Evaluation, evaluate_cascade
from boneage.evaluation.metrics_table import account
from boneage.evaluation.report import CAUTION, account_html, account_tables, markdown_report
from boneage.notices import warning
from boneage.paths import study_folder
from boneage.study.materials import resolve_sources
from boneage.tables import headed


def evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage evaluate`."""
    parser.add_argument("data", metavar="DATA", help="a folder or table of labelled images, or a study's CONFIG.toml")
    parser.add_argument("--part", choices=("validation", "test"), help="with a CONFIG: which set (default validation)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write per-image CSV, JSON, markdown and a plot here")
    add_model(parser)
    add_overrides(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the figures; return 1 when some images could not be estimated."""
    table, name, problems = labelled(args)
    cascade = open_cascade(args.model)
    evaluation = evaluate_cascade(cascade, table, progress=stage(f"estimate {name}"))
    facts = [
        f"set: {name}, {len(evaluation.per_image)} images",
        f"model: {cascade.model} {cascade.version}".rstrip(),
        f"routing: {cascade.config.cascade.routing}",
    ]
    print("\n".join(facts))
    figures = account(evaluation.per_image)
    print(headed(account_tables(figures, evaluation.per_image, evaluation.metrics)))
    print(f"\n{CAUTION}")
    notice()
    for _, row in evaluation.problems.iterrows():
        complain(warning("data.not_estimated", name=row["image"], reason=row["reason"]))
    complain_of_problems(problems, name, args.data)
    if args.out:
        write_report(args.out, evaluation, name, facts)
        write_account(args.out, evaluation, figures, f"Evaluation on {name}", facts)
        print(f"written to {args.out}")
    return 1 if len(evaluation.problems) else 0


def write_report(folder: Path, evaluation: Evaluation, name: str, facts: list[str]) -> None:
    """Write `per_image.csv`, `metrics.json`, `report.md` and `predicted_against_true.png` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    frame = evaluation.per_image
    frame.to_csv(folder / "per_image.csv", index=False)
    metrics = {key: value if math.isfinite(value) else None for key, value in evaluation.metrics.items()}
    content = {"set": name, "facts": facts, "metrics": metrics, "problems": evaluation.problems.to_dict("records")}
    (folder / "metrics.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
    (folder / "report.md").write_text(markdown_report(evaluation, f"Evaluation on {name}", facts), encoding="utf-8")
    true, estimated = frame["true_months"].to_numpy(), frame["estimated_months"].to_numpy()
    figure = plots.predicted_against_true(true, estimated, name, list(frame["sex"]))
    figure.savefig(folder / "predicted_against_true.png", dpi=120)


def write_account(folder: Path, evaluation: Evaluation, figures: pd.DataFrame, title: str, facts: list[str]) -> None:
    """Write `account.json` (every figure with its interval) and `account.html` (tables and plots) into a folder."""
    tables = account_tables(figures, evaluation.per_image, evaluation.metrics)
    page = account_html(title, facts, tables, plots.evaluation_pictures(evaluation.per_image, title))
    (folder / "account.html").write_text(page, encoding="utf-8")
    figures.to_json(folder / "account.json", orient="records", indent=1)


def labelled(args: argparse.Namespace) -> tuple[pd.DataFrame, str, pd.DataFrame]:
    """Return the table to score, its name, and the rows that were refused.

    Raises:
        UsageError: when `--part` or `--set` came without a CONFIG.
        BoneageError: when no image can be used.
    """
    if Path(args.data).suffix.lower() == ".toml":
        table, name, problems = _part_of_study(args)
    elif args.part or args.overrides:
        raise UsageError.of("call.part_of_data", data=args.data)
    else:
        found = load_folder(Path(args.data))
        table, name, problems = found.table, Path(args.data).name, found.problems
    if table.empty:
        if problems.empty:
            raise BoneageError.of("data.no_labelled_image", name=name)
        first = problems.iloc[0]
        raise BoneageError.of(
            "data.all_refused", name=name, count=len(problems), first=first["id"], reason=first["reason"]
        )
    return table, name, problems


def complain_of_problems(problems: pd.DataFrame, name: str, data: str) -> None:
    """Say on stderr how many rows of a set were left out, and what lists the reasons."""
    if len(problems):
        complain(warning("data.rows_of_left_out", count=len(problems), name=name, data=data))


def _part_of_study(args: argparse.Namespace) -> tuple[pd.DataFrame, str, pd.DataFrame]:
    config = resolve_sources(load_config(args.data, args.overrides), stage)
    name = f"{config.study.name} {args.part or 'validation'}"
    if args.part == "test":
        test = load_test(config.data)
        return test.table, name, test.problems
    training = load_training(config.data)
    splits = load_or_draw(study_folder(config.study.name) / "splits.json", training, config.data, config.study.seed)
    chosen = training.table["id"].isin(splits.validation)
    return training.table[chosen], name, training.problems
