"""`boneage explain`: heat maps, experts and similar cases for one film; `boneage cases` makes their index."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.commands.common import (
    add_model,
    add_overrides,
    import_keras_quietly,
    notice,
    open_cascade,
    reason_lines,
    stage,
)
from boneage.config import load_config
from boneage.groups import RANGE_LABELS, Sex

if TYPE_CHECKING:
    from boneage.cascade.cascade import Cascade
    from boneage.preprocess.preparer import Prepared


def add_parsers(commands: Any) -> None:
    """Add both commands to the parser's list."""
    parser = commands.add_parser("explain", help="where one estimate comes from: heat maps, experts, similar cases")
    parser.add_argument("image", metavar="IMAGE")
    parser.add_argument("--sex", required=True, choices=[str(sex) for sex in Sex])
    parser.add_argument("--range", dest="age_range", choices=RANGE_LABELS, help="known age range; skips the classifier")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="pictures and explanation.json go here")
    parser.add_argument("--cases", type=Path, metavar="NPZ", help="an index of `boneage cases`, for the model's own")
    parser.add_argument("--no-occlusion", action="store_true", help="skip the slow map (some dozens of passes)")
    parser.add_argument("--anyway", action="store_true", help="explain what the gate refuses, too")
    add_model(parser)
    parser.set_defaults(run=run_explain)
    cases = commands.add_parser("cases", help="index a study's training cases by their features, for `boneage explain`")
    cases.add_argument("config", metavar="CONFIG")
    cases.add_argument("--out", type=Path, metavar="NPZ", required=True)
    add_overrides(cases)
    cases.set_defaults(run=run_cases)


def run_explain(args: argparse.Namespace) -> int:
    """Print and write one explanation."""
    from boneage.explain.faithfulness import faithfulness
    from boneage.explain.reasons import reasons_of

    cascade = _cascade(args)
    prepared = cascade.examine(args.image, args.sex, anyway=args.anyway)
    features = cascade.features(prepared)
    estimate = cascade.estimate_prepared(prepared, args.sex, args.age_range, features)
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


def _maps(cascade: Cascade, prepared: Prepared, args: argparse.Namespace) -> dict[str, Any]:
    from boneage.explain.heatmaps import heat_map, occlusion_map

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
    from boneage.cascade.case_index import SHOWN, CaseIndex

    wanted = cascade.config.cascade.similar_cases or SHOWN
    config = replace(cascade.config, cascade=replace(cascade.config.cascade, similar_cases=wanted))
    return replace(cascade, config=config, cases=CaseIndex.load(args.cases, cascade.backbone.sha256))


def run_cases(args: argparse.Namespace) -> int:
    """Write the index of a study's training part."""
    config = load_config(args.config, args.overrides)
    import_keras_quietly()
    from boneage.study.finish import index_cases
    from boneage.study.materials import gather

    index = index_cases(gather(config, stage))
    index.save(args.out)
    print(f"{len(index.ids)} training cases are indexed in {args.out} (ids, ages and features, no images)")
    return 0


def _write(folder: Path, prepared: Prepared, maps: dict[str, Any], content: dict[str, Any]) -> None:
    from PIL import Image

    from boneage.explain.heatmaps import overlay

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
    for warning in content["warnings"]:
        print(f"warning: {warning}")
    notice()
