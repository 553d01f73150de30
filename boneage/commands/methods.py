"""`boneage methods`: the methods of a store's studies on the same validation films, beside their papers' figures."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from boneage import plots
from boneage.cascade.estimate import RESEARCH_NOTICE
from boneage.commands.common import complain, notice
from boneage.errors import BoneageError, nearest
from boneage.evaluation.methods_table import (
    accuracy_table,
    common_films,
    methods_frame,
    parts_table,
    published_table,
    quote_of,
    same_films,
    years_table,
)
from boneage.evaluation.report import CAUTION, Tables, account_html
from boneage.files import write_whole
from boneage.notices import warning
from boneage.study.methods import Method, read_methods, with_costs
from boneage.tables import headed, markdown_table
from boneage.tracking.store import open_existing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Methods side by side"
_READING = (
    "Every method estimates the same validation films, which none was fitted on. `minus_first` is the paired "
    "difference of absolute errors to the first method, below 0 where a method errs less, with a 95 % bootstrap "
    "interval over the films. `year_accuracy` is the share of films whose estimate is nearest to the same year as the "
    "label. A paper's own figures are of its own films and readers: they are printed beside, and are no comparison."
)
_COSTS = (
    "`train_minutes`: the heads, fitted, chosen and scored; `films_minutes`: preparing films and computing features, "
    "as far as they were not cached; neither holds the training of a backbone. `estimate_ms`: processor time of one "
    "estimate, film to age, median of 5 simulated films."
)


def methods_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage methods`."""
    parser.add_argument("--against", metavar="NAME", help="compare with this method (default: the one that errs least)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these methods only")
    parser.add_argument(
        "--common", action="store_true", help="compare on the films that all methods share, however few these are"
    )
    parser.add_argument("--stores", nargs="+", metavar="URI", help="read these stores, such as sqlite:///PATH, as one")
    parser.add_argument("--no-costs", action="store_true", help="do not measure what an estimate costs")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="write markdown here, HTML with plots beside it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the tables, and write them where asked."""
    methods, missing = _read(args.stores or [None], costs=not args.no_costs)
    methods, others = _compared(methods, args)
    for name, reason in {**missing, **others}.items():
        complain(warning("methods.left_out", name=name, reason=reason))
    tables = _tables(methods)
    facts = [f"{len(methods[0].films)} films, each estimated by {len(methods)} methods"]
    print(facts[0])
    print(headed(tables))
    notice()
    if args.out:
        _write(args.out, facts, tables)
        print(f"written to {args.out}, and as .html beside it")
    return 0


def _read(stores: Sequence[str | None], *, costs: bool) -> tuple[list[Method], dict[str, str]]:
    """Read the methods of some stores (None for the project's own); of two of a name the first store's."""
    methods, missing = dict[str, Method](), dict[str, str]()
    for uri in stores:
        client = open_existing(uri)
        found, without = read_methods(client)
        found = [each for each in found if each.name not in methods]
        methods |= {each.name: each for each in (with_costs(client, found) if costs else found)}
        missing |= without
    return list(methods.values()), missing


def _compared(methods: Sequence[Method], args: argparse.Namespace) -> tuple[list[Method], dict[str, str]]:
    """Return the methods that were scored on the same films, the one to compare with first, and who is left out."""
    known = {method.name: method for method in methods}
    for name in [*(args.only or ()), *([args.against] if args.against else ())]:
        if name not in known:
            raise BoneageError.of("methods.unknown", given=name, near=nearest(name, known), known="; ".join(known))
    wanted = {name: each for name, each in known.items() if not args.only or name in {*args.only, args.against}}
    if args.common:
        films = common_films({name: each.films for name, each in wanted.items()})
        wanted = {name: replace(each, films=each.films.loc[films]) for name, each in wanted.items()}
    kept, others = same_films({name: each.films for name, each in wanted.items()})
    if args.against in others:
        raise BoneageError.of("methods.other_films", given=args.against, reason=others[args.against])
    errors = {
        name: float((wanted[name].films["months"] - wanted[name].films["true_months"]).abs().mean()) for name in kept
    }
    order = sorted(kept, key=lambda name: (name != args.against, errors[name]))
    return [wanted[name] for name in order], others


def _tables(methods: Sequence[Method]) -> Tables:
    frame = methods_frame({each.name: each.films["months"] for each in methods}, methods[0].films)
    accuracy = accuracy_table(frame)
    whole = accuracy[accuracy["part"] == "all"].drop(columns=["part"])
    papers = pd.DataFrame({"method": whole["method"], "its_paper": [quote_of(each.study) for each in methods]})
    return [
        ("All films", whole.merge(papers, on="method")),
        ("Beside the papers' own figures", published_table(frame)),
        ("Per sex", accuracy[accuracy["part"] != "all"]),
        ("Error per sex and age group (months)", parts_table(frame, "mae_months")),
        ("Share estimated within their age group", parts_table(frame, "group_accuracy")),
        ("Error per true year of age (months)", years_table(frame)),
        ("Share estimated in their year, per true year of age", years_table(frame, "year_accuracy")),
        ("Costs", costs_table(methods)),
    ]


def costs_table(methods: Sequence[Method]) -> pd.DataFrame:
    """Return what each method was trained on and what it costs."""
    return pd.DataFrame([{"method": each.name, **each.facts} for each in methods])


def _pictures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    years = tables["Error per true year of age (months)"]
    found = {"Error against true age": plots.error_by_year(years, "Error against true age")}
    costs = tables["Costs"]
    if "estimate_ms" in costs and costs["estimate_ms"].notna().any():
        both = costs.dropna(subset=["estimate_ms"]).merge(tables["All films"], on="method")
        bounds = both[["mae_low", "mae_high"]].to_numpy(float).T
        names, films = list(both["method"]), "on the validation films"
        found["Error against the cost of an estimate"] = plots.error_against_cost(
            names, both["estimate_ms"], both["mae_months"], bounds, "Error against cost, 95 % intervals", films
        )
    return found


def _write(out: Path, facts: Sequence[str], tables: Tables) -> None:
    pictures = {caption: plots.png(figure) for caption, figure in _pictures(dict(tables)).items()}
    said = ["Made by `boneage methods --out FILE.md` from the studies of a store.", *facts]
    parts = [f"# {TITLE}", *said, _READING]
    for heading, table in tables:
        parts += [f"## {heading}", *([_COSTS] if heading == "Costs" else []), markdown_table(table)]
    write_whole(out, "\n\n".join([*parts, CAUTION, RESEARCH_NOTICE]) + "\n")
    page = account_html(TITLE, [*facts, _READING, _COSTS], tables, pictures)
    write_whole(out.with_suffix(".html"), page)
