"""`boneage registry compare`: compare two cascades on the same images, as a whole and in parts."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from boneage.cascade.cascade import Cascade
from boneage.commands.common import UsageError, add_overrides, complain, notice, open_cascade, stage
from boneage.commands.evaluate import complain_of_problems, labelled
from boneage.errors import BoneageError
from boneage.evaluation.evaluate import evaluate_cascade
from boneage.notices import warning
from boneage.registry.checks import compare
from boneage.registry.compare import Comparison, compare_tables, verdict_sentences
from boneage.registry.validation import read_validation, validation_table
from boneage.registry.versions import VersionInfo, parse_uri, show
from boneage.tables import text_table
from boneage.tracking.store import open_existing


def compare_arguments(parser: argparse.ArgumentParser, default_name: str) -> None:
    """Describe `boneage registry compare`."""
    which = "a version's number or alias, models:/..., or a bundle's folder"
    parser.add_argument("first", metavar="A", nargs="?", default="challenger", help=f"{which} (default challenger)")
    parser.add_argument("second", metavar="B", nargs="?", default="champion", help="likewise (default champion)")
    data = "a folder, table or CONFIG.toml as for `boneage evaluate`; without it A's own validation images"
    parser.add_argument("data", metavar="DATA", nargs="?", help=data)
    parser.add_argument("--name", default=default_name, help=f"whose numbers and aliases (default {default_name})")
    parser.add_argument("--part", choices=("validation", "test"), help="with a CONFIG: which set (default validation)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write comparison.csv and per_image.csv here")
    add_overrides(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print both errors, the paired differences and what they show; return 1 when an image could not be compared."""
    if args.data is None and (args.part or args.overrides):
        raise UsageError.of("call.part_of_compared")
    found, facts, tables, left_out = _registered(args) if args.data is None else _estimated(args)
    for name, fact in zip("AB", facts, strict=False):
        print(f"{name}: {fact}")
    print(f"{facts[2]}; MAE in months, A - B below 0: A is better\n\n{text_table(_shown(found))}\n")
    for sentence in verdict_sentences(found, "A", "B"):
        print(sentence)
    notice()
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        found.table().to_csv(args.out / "comparison.csv", index=False)
        tables.to_csv(args.out / "per_image.csv", index=False)
        print(f"written to {args.out}")
    return 1 if left_out else 0


Compared = tuple[Comparison, tuple[str, str, str], pd.DataFrame, int]


def _registered(args: argparse.Namespace) -> Compared:
    """Compare what was registered with two versions: nothing is estimated again."""
    client = open_existing()
    first, second = (show(client, *parse_uri(_uri(spec, args.name))) for spec in (args.first, args.second))
    found = compare(client, first, second)
    images = f"{found.whole.images} validation images of A, as estimated when the versions were registered"
    pair = _pair(read_validation(client, first), read_validation(client, second))
    return found, (_said(first), _said(second), images), pair, 0


def _estimated(args: argparse.Namespace) -> Compared:
    """Estimate the images of DATA with both cascades; what one of them cannot estimate is said and left out."""
    table, name, problems = labelled(args)
    facts, tables, refused = [], [], set()
    for letter, spec in (("A", args.first), ("B", args.second)):
        cascade = open_cascade(_uri(spec, args.name))
        scored = evaluate_cascade(cascade, table, progress=stage(f"estimate with {letter}"), anyway=True)
        for row in scored.problems.to_dict("records"):
            complain(warning("compare.not_estimated", letter=letter, name=row["image"], reason=row["reason"]))
            refused.add(str(row["id"]))
        tables.append(validation_table(scored.per_image))
        facts.append(_opened(cascade, spec))
    both = tables[0][~tables[0]["id"].isin(refused)]
    if both.empty:
        raise BoneageError.of("compare.no_image", name=name)
    images = f"{len(both)} images of {name} that both estimate"
    images += f" ({len(refused)} left out)" if refused else ""
    complain_of_problems(problems, name, args.data)
    return compare_tables(both, tables[1]), (facts[0], facts[1], images), _pair(both, tables[1]), len(refused)


def _uri(spec: str, name: str) -> str:
    """Turn a number or an alias into a model's URI; a URI or a bundle's folder stays."""
    if spec.startswith("models:") or (Path(spec) / "bundle.json").is_file():
        return spec
    return f"models:/{name}/{spec}" if spec.isdigit() else f"models:/{name}@{spec}"


def _said(info: VersionInfo) -> str:
    aliases = f" ({', '.join(info.aliases)})" if info.aliases else ""
    return f"{info.name} version {info.version}{aliases}, study {info.tags.get('study', 'unknown')}"


def _opened(cascade: Cascade, spec: str) -> str:
    study = cascade.card.get("study", cascade.config.study.name)
    version = f" version {cascade.version}" if cascade.version else ""
    return f"{cascade.model}{version} ({spec}), study {study}"


def _pair(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Lay the estimates of both beside each other, one row per image of the first."""
    theirs = second.drop_duplicates("content_sha256").set_index("content_sha256")["bone_age_months"]
    renamed = first.rename(columns={"bone_age_months": "first_months", "age_months": "true_months"})
    return renamed.assign(second_months=theirs.loc[first["content_sha256"]].to_numpy())


def _shown(found: Comparison) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {
            "part": part.part,
            "images": part.images,
            "A": f"{part.first_mae_months:.2f}",
            "B": f"{part.second_mae_months:.2f}",
            "A - B": _signed(part.difference_months),
            "95 % interval": "" if part.images < 2 else f"{_signed(part.low_months)} to {_signed(part.high_months)}",
            "A is": part.verdict,
        }
        for part in found.parts
    ]
    return pd.DataFrame(rows)


def _signed(months: float) -> str:
    """Write a difference with its sign; what rounds to nothing has none."""
    rounded = round(months, 2)
    return f"{rounded:+.2f}" if rounded else "0.00"
