"""`boneage explain`, `cases` and `faithfulness`: show where an estimate comes from and how far heat maps hold."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from boneage.cascade.cascade import Cascade
from boneage.cascade.case_index import SHOWN, CaseIndex
from boneage.commands.common import (
    add_config,
    add_model,
    add_patient,
    import_keras_quietly,
    notice,
    open_cascade,
    reason_lines,
    stage,
)
from boneage.config import load_config
from boneage.data.annotations import read_row
from boneage.data.images import read_radiograph
from boneage.explain.faithfulness import faithfulness, faithfulness_summary, measure_faithfulness
from boneage.explain.heatmaps import heat_map, occlusion_map, overlay
from boneage.explain.reasons import reasons_of
from boneage.gate.gate import RefusedError
from boneage.hospital.audit_trail import log_answer, log_error
from boneage.notices import severity_of
from boneage.preprocess.preparer import Prepared
from boneage.study.finish import index_cases
from boneage.study.materials import gather, part_table, sample, unseen
from boneage.tables import text_table


def explain_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage explain`."""
    parser.add_argument("image", metavar="IMAGE")
    add_patient(parser, required=True)
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="pictures and explanation.json go here")
    parser.add_argument("--cases", type=Path, metavar="NPZ", help="an index of `boneage cases`, for the model's own")
    parser.add_argument("--no-occlusion", action="store_true", help="skip the slow map (some dozens of passes)")
    parser.add_argument("--anyway", action="store_true", help="explain what the gate refuses, too")
    add_model(parser)
    parser.set_defaults(run=run_explain)


def cases_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage cases`."""
    add_config(parser)
    parser.add_argument("--out", type=Path, metavar="NPZ", required=True)
    parser.set_defaults(run=run_cases)


def faithfulness_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage faithfulness`."""
    add_config(parser)
    parser.add_argument("--part", choices=("train", "validation"), default="validation", help="default validation")
    parser.add_argument("--films", type=int, default=60, metavar="N", help="so many films (default 60)")
    parser.add_argument("--out", type=Path, metavar="CSV", help="write one row per film and map here")
    add_model(parser)
    parser.set_defaults(run=run_faithfulness)


def run_explain(args: argparse.Namespace) -> int:
    """Print and write one explanation."""
    cascade = _cascade(args)
    film = read_radiograph(args.image)
    try:
        prepared = cascade.examine(film, args.sex, anyway=args.anyway)
    except RefusedError as refused:
        log_error(film, refused)
        raise
    features = cascade.features(prepared)
    estimate = cascade.estimate_prepared(prepared, args.sex, args.age_range, features)
    log_answer(film, estimate)
    maps = _maps(cascade, prepared, args)
    believed = {name: faithfulness(cascade, prepared, args.sex, heat, args.age_range) for name, heat in maps.items()}
    content = {
        "image": args.image,
        **estimate.to_json(),
        "faithfulness": {name: found.to_json() for name, found in believed.items()},
        **reasons_of(cascade, features, estimate).to_json(),
    }
    _write(args.out, prepared, maps, content)
    _print(content)
    return 0


def run_cases(args: argparse.Namespace) -> int:
    """Write the index of a study's training part."""
    config = load_config(args.config, args.overrides)
    import_keras_quietly()
    index = index_cases(gather(config, stage))
    index.save(args.out)
    print(f"{len(index.ids)} training cases are indexed in {args.out} (ids, ages and features, no images)")
    return 0


def run_faithfulness(args: argparse.Namespace) -> int:
    """Print one row per map; of the training part only films that the backbone had not seen are used."""
    cascade = open_cascade(args.model)
    table = part_table(load_config(args.config, args.overrides), args.part, stage)
    films = unseen(table, cascade.config.backbone, args.films) if args.part == "train" else sample(table, args.films)
    bar = stage("explain")
    prepared = ((cascade.prepare(read_row(row), anyway=True), str(row["sex"])) for _, row in films.iterrows())
    frame = measure_faithfulness(cascade, prepared, progress=lambda done: bar(done, len(films)))
    print(f"{len(films)} {args.part} films; months by which the estimate moves when 15 % of the hand is smoothed away")
    print(text_table(faithfulness_summary(frame)))
    notice()
    if args.out:
        frame.to_csv(args.out, index=False)
    return 0


def _maps(cascade: Cascade, prepared: Prepared, args: argparse.Namespace) -> dict[str, Any]:
    maps, asked = {}, (cascade, prepared, args.sex, args.age_range)
    if not args.no_occlusion:
        # First, because it is the more faithful one (docs/how-to/safety.md).
        maps["occlusion"] = occlusion_map(*asked, progress=stage("occlusion"))
    return {**maps, "grad-cam": heat_map(*asked)}


def _cascade(args: argparse.Namespace) -> Cascade:
    """Open the cascade, with another index of cases where one was given."""
    cascade = open_cascade(args.model)
    if args.cases is None:
        return cascade
    wanted = cascade.config.cascade.similar_cases or SHOWN
    config = replace(cascade.config, cascade=replace(cascade.config.cascade, similar_cases=wanted))
    return replace(cascade, config=config, cases=CaseIndex.load(args.cases, cascade.backbone.sha256))


def _write(folder: Path, prepared: Prepared, maps: dict[str, Any], content: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(prepared.image).save(folder / "prepared.png")
    for name, heat in maps.items():
        Image.fromarray(overlay(prepared.image, heat)).save(folder / f"{name}.png")
    (folder / "explanation.json").write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def _print(content: dict[str, Any]) -> None:
    print(f"{content['image']}: {content['bone_age_months']:.1f} months ({content['routing']} routing)")
    for sentence in reason_lines(content):
        print(sentence)
    for name, found in content["faithfulness"].items():
        print(f"{name}: {found['sentence']}")
    for said in content["warnings"]:
        print(f"{severity_of(said)}: {said}")
    notice()
