"""`boneage compare-backbones`: the same films, heads and folds over several backbones, error beside cost."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from boneage import stopping
from boneage.commands.common import UsageError, add_config, complain, import_keras_quietly, notice, stage
from boneage.config import Config, config_sha256, load_config, to_mapping
from boneage.files import write_whole
from boneage.plots import error_against_cost
from boneage.study.backbone_comparison import Comparison, available, backbone_of, compare_backbones
from boneage.tables import text_table
from boneage.tracking.environment import run_tags
from boneage.tracking.runlog import RunLog
from boneage.tracking.store import ensure_experiment, open_store, single_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MEASURED = ("mae_months", "low", "high", "group_accuracy", "minus_first", "minus_low", "minus_high")


def compare_backbones_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage compare-backbones`."""
    add_config(parser)
    parser.add_argument(
        "--backbones",
        nargs="+",
        metavar="NAME[:WEIGHTS]",
        help="handnet:asset, EfficientNetLite0:imagenet, EfficientNetLite0:none (random) and so on; the others are "
        "compared with the first (default: every one whose weights are here, see `boneage weights list`)",
    )
    parser.add_argument(
        "--films",
        type=int,
        default=0,
        metavar="N",
        help="on N training images that none of them had learnt from (default: the study's training part)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write table, ages of every film and a plot here")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare, track, print and write."""
    import_keras_quietly()
    config = load_config(args.config, args.overrides)
    backbones = [backbone_of(words, config) for words in args.backbones or available()]
    if args.films < 0:
        raise UsageError.of("call.films", given=args.films)
    with stopping.gracefully(complain):
        found = compare_backbones(config, backbones, stopping.watched(stage), args.films)
    print(f"{len(found.frame)} training films of {config.study.name}, each estimated by heads that had not seen it;")
    print(f"{found.left_out} more were left out, because a backbone had learnt from them or a cascade gave no age")
    true = found.frame["true_months"]
    constant = (true - true.groupby(found.frame["sex"]).transform("median")).abs().mean()
    print(f"always saying the median age of the sex errs by {constant:.2f} months")
    print(text_table(found.table))
    notice()
    picture = _plot(found)
    if args.out:
        write_whole(args.out / "backbones.csv", found.table.to_csv(index=False))
        write_whole(args.out / "backbones_per_film.csv", found.frame.to_csv(index=False))
        picture.savefig(args.out / "backbones.png", dpi=110)
        print(f"written to {args.out}")
    track(config, found, picture)
    return 0


def _plot(found: Comparison) -> Figure:
    table = found.table
    bounds = table[["low", "high"]].to_numpy(float).T
    title = f"{len(found.frame)} films, out of fold, with 95 % intervals"
    return error_against_cost(list(table["backbone"]), table["ms_per_image"], table["mae_months"], bounds, title)


def track(config: Config, found: Comparison, picture: Figure) -> str:
    """Log a comparison as a run with one run below it per backbone; return its id."""
    client = open_store()
    log, experiment = RunLog(client), f"{config.study.name}-backbones"
    tags = {"study": config.study.name, "split_sha256": found.split_sha256, **run_tags()}
    tags |= {"config_sha256": config_sha256(config)}
    with single_run(client, experiment, "compare-backbones", {"level": "comparison", **tags}) as run_id:
        log.log_params(run_id, {"films": len(found.frame), "left_out": found.left_out})
        client.log_dict(run_id, to_mapping(config), "config.json")
        log.log_text(run_id, found.table.to_csv(index=False), "backbones.csv")
        log.log_text(run_id, found.frame.to_csv(index=False), "backbones_per_film.csv")
        log.log_figure(run_id, picture, "error-against-cost.png")
        for row in found.table.to_dict("records"):
            below = {"level": "backbone", "backbone": row["backbone"], "mlflow.parentRunId": run_id, **tags}
            name = str(row["backbone"])
            child = client.create_run(ensure_experiment(client, experiment), tags=below, run_name=name).info.run_id
            log.log_params(child, {key: row[key] for key in ("backbone", "input_px", "features")})
            figures = {f"out_of_fold_{key}" if key in _MEASURED else key: value for key, value in row.items()}
            log.log_metrics(child, {key: float(value) for key, value in figures.items() if key != "backbone"})
            log.end(child)
    return run_id
