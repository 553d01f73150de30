"""`boneage explain`: heat maps, experts and similar cases for one film; `boneage cases` makes their index."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.commands.common import add_model, add_overrides, import_keras_quietly, notice, open_cascade, stage
from boneage.config import load_config
from boneage.groups import Sex

if TYPE_CHECKING:
    import numpy as np

    from boneage.cascade.cascade import Cascade
    from boneage.preprocess.preparer import Prepared


def add_parsers(commands: Any) -> None:
    """Add both commands to the parser's list."""
    parser = commands.add_parser("explain", help="where one estimate comes from: heat maps, experts, similar cases")
    parser.add_argument("image", metavar="IMAGE")
    parser.add_argument("--sex", required=True, choices=[str(sex) for sex in Sex])
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="pictures and explanation.json go here")
    parser.add_argument("--cases", type=Path, metavar="NPZ", help="an index of `boneage cases`, for similar cases")
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
    from boneage.cascade import explain
    from boneage.cascade.faithfulness import faithfulness

    cascade = open_cascade(args.model)
    prepared = cascade.prepare(args.image, anyway=args.anyway)
    features = cascade.features(prepared)
    estimate = cascade.estimate_features(features, [args.sex], notes=[prepared.warnings])[0]
    opinions = explain.expert_opinions(cascade, features, args.sex)
    maps = {}
    if not args.no_occlusion:
        # First, because it is the more faithful one (docs/safety.md).
        maps["occlusion"] = explain.occlusion_map(cascade, prepared, args.sex, progress=stage("occlusion"))
    maps["grad-cam"] = explain.heat_map(cascade, prepared, args.sex)
    believed = {name: faithfulness(cascade, prepared, args.sex, heat) for name, heat in maps.items()}
    similar = _similar(args.cases, cascade, features, args.sex)
    content = {
        "image": args.image,
        **estimate.to_json(),
        "experts": [{"range": label, "probability": p, "months": age} for label, p, age in opinions],
        "faithfulness": {name: vars(found) for name, found in believed.items()},
        "similar_cases": similar,
    }
    _write(args.out, prepared, maps, content)
    _print(content)
    return 0


def run_cases(args: argparse.Namespace) -> int:
    """Write the index of a study's training part."""
    config = load_config(args.config, args.overrides)
    import_keras_quietly()
    from boneage.cascade.similar import CaseIndex
    from boneage.study.materials import gather

    materials = gather(config, stage)
    ids = materials.splits.train
    rows, samples = materials.part.table.loc[list(ids)], materials.part.samples(ids)
    CaseIndex.of(materials.backbone.sha256, ids, list(rows["sex"]), samples.ages, samples.features).save(args.out)
    print(f"{len(ids)} training cases are indexed in {args.out} (features and ages, no images)")
    return 0


def _similar(file: Path | None, cascade: Cascade, features: np.ndarray, sex: str) -> list[dict[str, Any]]:
    if file is None:
        return []
    from boneage.cascade.similar import CaseIndex

    index = CaseIndex.load(file, cascade.backbone.sha256)
    return [vars(case) for case in index.nearest(features[0], sex)]


def _write(folder: Path, prepared: Prepared, maps: dict[str, Any], content: dict[str, Any]) -> None:
    from PIL import Image

    from boneage.cascade.explain import overlay

    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(prepared.image).save(folder / "prepared.png")
    for name, heat in maps.items():
        Image.fromarray(overlay(prepared.image, heat)).save(folder / f"{name}.png")
    (folder / "explanation.json").write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def _print(content: dict[str, Any]) -> None:
    print(f"{content['image']}: {content['bone_age_months']:.1f} months ({content['routing']} routing)")
    for expert in content["experts"]:
        print(f"expert {expert['range']:<8} weight {expert['probability']:.0%}, says {expert['months']:.1f} months")
    for name, found in content["faithfulness"].items():
        moved = f"{found['hottest_months']:.1f} months, random regions {found['random_months']:.1f}"
        print(f"{name}: deleting the hottest {found['share']:.0%} of the hand moves the estimate by {moved}")
    for case in content["similar_cases"]:
        print(f"similar case {case['id']}: {case['age_months']:.0f} months (likeness {case['likeness']:.2f})")
    for warning in content["warnings"]:
        print(f"warning: {warning}")
    notice()
