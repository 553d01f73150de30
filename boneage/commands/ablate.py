"""`boneage ablate`: measure what each idea beyond the paper is worth, and the configuration's own cascade."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from boneage import plots, stopping
from boneage.cascade.cascade import Cascade
from boneage.cascade.estimate import RESEARCH_NOTICE
from boneage.commands.common import add_config, complain, import_keras_quietly, notice, stage
from boneage.config import load_config
from boneage.evaluation.evaluate import Evaluation
from boneage.evaluation.metrics_table import account
from boneage.evaluation.report import CAUTION, account_html, account_tables
from boneage.groups import Sex
from boneage.study.ablation import ablation_table, gather_ablation, held_table
from boneage.study.finish import score
from boneage.study.job import build_cascade
from boneage.study.materials import Materials, Stage, gather
from boneage.study.variants import PAPER, run_ablation, unequalised
from boneage.tables import headed, markdown_table

_OWN = "this configuration"
_COVERAGE = (
    "Conformal intervals as they hold on the validation images (wanted: {:.2f}). `plain` and `widened`: of the softly "
    f"routed base, fitted on watched images; `{_OWN}`: the cascade's own, from images out of fold."
)
_READING = (
    "`hard` is hard routing on this configuration's head sizes; minus_hard below 0 is better than it, with a paired "
    "95 % bootstrap interval over the validation images. Variants are compared one by one, each fitted once; of "
    f"so many the best looks a little better than it is. `{_OWN}` is the configuration with everything it switches "
    "on, assembled as `boneage train` does; what it contains was chosen on training images out of fold that the "
    "backbone had not seen, never on these, and in part on an earlier backbone (`benchmarks/measure_choices.py` asks "
    "anew). The backbone was trained on equalised films, which handicaps `not equalised`. Parts that begin with an "
    "archive's name are its films alone."
)


@dataclass(frozen=True)
class _Findings:
    """Everything that is printed and written: facts, headed tables, the per-image frame, the own cascade's figures."""

    facts: list[str]
    tables: list[tuple[str, pd.DataFrame]]
    frame: pd.DataFrame
    evaluation: Evaluation
    coverage: float


def ablate_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage ablate`."""
    add_config(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE.md", help="write markdown here; JSON, HTML and a CSV per image beside it"
    )
    parser.add_argument("--no-ensemble", action="store_true", help="leave out the ensembles over folds")
    parser.add_argument(
        "--not-equalised", action="store_true", help="also without equalisation; prepares every film a second time"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fit every variant and the configuration's own cascade; print and write the tables."""
    import_keras_quietly()
    with stopping.gracefully(complain):
        found = _measure(args, stopping.watched(stage))
    print("\n".join(found.facts))
    print(headed(found.tables))
    notice()
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(_markdown(found, args), encoding="utf-8")
        title = "Results on the validation images"
        pictures = plots.evaluation_pictures(found.evaluation.per_image, title)
        page = account_html(title, [*found.facts, _READING], found.tables, pictures)
        args.out.with_suffix(".html").write_text(page, encoding="utf-8")
        tables = {heading: json.loads(table.to_json(orient="records")) for heading, table in found.tables}
        content = json.dumps({"facts": found.facts, "reading": _READING, "tables": tables}, indent=1)
        args.out.with_suffix(".json").write_text(content, encoding="utf-8")
        found.frame.to_csv(args.out.with_suffix(".csv"), index=False)
        print(f"written to {args.out}, and as .html, .json and .csv beside it")
    return 0


def _measure(args: argparse.Namespace, stage: Stage) -> _Findings:
    config = load_config(args.config, args.overrides)
    materials = gather(config, stage)
    frame, coverage = run_ablation(gather_ablation(materials), config, stage("variants"), ensemble=not args.no_ensemble)
    name = f"together: {_OWN}"
    if args.not_equalised:
        plain = gather(replace(config, preprocess=replace(config.preprocess, contrast="none")), stage)
        ages = unequalised(gather_ablation(plain).plain, config)
        frame = frame.assign(**{f"{key}_months": value for key, value in ages.items()})
    cascade = build_cascade(materials, stage("cascade"))
    evaluation = score(cascade, materials.part, materials.splits.validation)
    rows = evaluation.per_image
    frame = frame.assign(
        **{f"hard, {_OWN}_months": rows["hard_months"].to_numpy()},
        **{f"{name}_months": rows["estimated_months"].to_numpy()},
    )
    against = ablation_table(frame, PAPER, "minus_paper")
    tables = [
        ("Variants", ablation_table(frame)),
        ("Against the paper's settings", against[against["variant"].isin(["hard", "soft", f"hard, {_OWN}", name])]),
        ("Intervals", _coverage(coverage, cascade, materials)),
        *account_tables(account(rows), rows, evaluation.metrics),
    ]
    tables = [(heading, table) for heading, table in tables if not table.empty]
    return _Findings(_facts(materials, cascade), tables, frame, evaluation, config.cascade.coverage)


def _coverage(base: pd.DataFrame, cascade: Cascade, materials: Materials) -> pd.DataFrame:
    """Add to the base's coverage how often the own cascade's intervals hold."""
    ids = materials.splits.validation
    samples = materials.part.samples(ids)
    sexes = [Sex(sex) for sex in materials.part.table.loc[list(ids), "sex"]]
    if cascade.intervals is None or not cascade.intervals.half_widths:
        return base
    own = held_table(
        cascade.intervals, cascade.routed(materials.part.served(ids), sexes), sexes, samples.ages.astype(float)
    )
    return pd.concat([base, pd.DataFrame([{"intervals": _OWN, **row} for row in own])], ignore_index=True)


def _facts(materials: Materials, cascade: Cascade) -> list[str]:
    config, hashes, seen = materials.config, materials.part.content_sha256, materials.seen
    training = seen.describe(hashes[name] for name in materials.splits.train)
    validation = seen.describe(hashes[name] for name in materials.splits.validation)
    learnt = cascade.card["out_of_fold"]
    return [
        f"set: {len(materials.splits.validation)} validation images of the study {config.study.name}; truth: the "
        "source's own labels",
        f"backbone: {config.backbone.name} ({materials.backbone.sha256[:16]}); of the training images it had seen "
        f"{training}, of the validation images {validation}",
        f"fitted on {learnt['images']} training images out of fold: temperatures {learnt['temperatures']}, shares of "
        f"the head for all ages {learnt['global_shares']}, the intervals",
    ]


def _markdown(found: _Findings, args: argparse.Namespace) -> str:
    overrides = "".join(f" --set {item}" for item in args.overrides if "root" not in item)
    flags = " --no-ensemble" * args.no_ensemble + " --not-equalised" * args.not_equalised
    command = f"boneage ablate {args.config} --set data.root=PATH{overrides}{flags} --out {args.out}"
    items = "\n".join(f"- {fact}" for fact in found.facts)
    parts = [f"# Results\n\nMade by `{command}`.\n\n{items}\n\n{_READING}"]
    for heading, table in found.tables:
        said = f"{_COVERAGE.format(found.coverage)}\n\n" if heading == "Intervals" else ""
        parts.append(f"## {heading}\n\n{said}{markdown_table(table)}")
    return "\n\n".join([*parts, CAUTION, RESEARCH_NOTICE]) + "\n"
