"""Write the model card: what a cascade is for, what it was made of, how well it does and where it fails.

Written from the cascade itself, so that it cannot say anything else than what is served.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from boneage.cascade.cascade import Cascade
from boneage.cascade.estimate import RESEARCH_NOTICE
from boneage.config import Config
from boneage.evaluation.metrics_table import interval_table
from boneage.evaluation.published import PAPER, PAPER_SOURCE
from boneage.evaluation.report import figures_table, markdown_table
from boneage.groups import PARTS, RANGE_LABELS
from boneage.registry.checklists import CHECKLISTS, answered, checklist_table, numbers
from boneage.registry.method_text import (
    backbone_made,
    backbone_saw,
    hyperparameters,
    learning,
    members,
    seen_words,
    stacked,
)

_FIGURES = {
    "part": "part",
    "images": "images",
    "mae_months": "MAE",
    "bias_months": "bias",
    "within_12_months": "within 12",
    "within_24_months": "within 24",
    "constant_mae_months": "constant predictor's MAE",
    "interval_coverage": "interval coverage",
}
INTERVALS = {name: shown for name, shown in _FIGURES.items() if name != "constant_mae_months"}
_PAPER = (
    "## Beside the paper\n\nWhole cascade on validation images: MAE {:.3f} months here, {:.3f} in the paper, on other "
    "images; the study's report has every figure of the paper."
)
_VALIDATION = "Figures on the study's validation images"
_PAPER_VALIDATION_MAE = next(figure.value for figure in PAPER if figure.metric == "mae_months")


def model_card(
    cascade: Cascade,
    metrics: Mapping[str, float],
    figures: pd.DataFrame | None = None,
) -> str:
    """Write the card as markdown.

    Args:
        cascade: the cascade, its `card` holding the study's facts.
        metrics: its figures on the study's validation images, as `evaluate_estimates` names them.
        figures: the same validation figures with bootstrap intervals, from `boneage.evaluation.metrics_table.account`.
    """
    facts = cascade.card
    parts = [
        f"# Bone age cascade of the study `{facts.get('study', cascade.config.study.name)}`",
        f"**{RESEARCH_NOTICE}**",
        "## Intended use\n\n" + _bullets(_intended_use()),
        _with_intervals(figures, metrics) or _figures(_VALIDATION, metrics),
        "## Limits\n\n" + _bullets(_limits(metrics, facts)),
        "## Data\n\n" + _bullets(_data(cascade.config, facts)),
        "## Method\n\n" + _bullets(_method(cascade)),
        _figures("Figures on the set `test`", facts.get("test", {})),
        _stress(facts),
        _PAPER.format(metrics["mae_months"], _PAPER_VALIDATION_MAE) if "mae_months" in metrics else "",
        _checklists(cascade, metrics),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _with_intervals(figures: pd.DataFrame | None, metrics: Mapping[str, float]) -> str:
    """Write the figures with their bootstrap intervals, and the constant predictor's error beside them."""
    if figures is None or figures.empty:
        return ""
    table = interval_table(figures, [name for name in INTERVALS if name not in {"part", "images"}])
    shown = table[[name for name in INTERVALS if name in table and table[name].any()]].rename(columns=INTERVALS)
    # The films of one archive (`films.zip, female`) have no metrics of their own, so their name finds none.
    suffixes = {part.name: part.suffix for part in PARTS}
    constant = {name: metrics.get(f"constant_mae_months{suffixes.get(name, name)}") for name in table["part"]}
    if any(constant.values()):
        shown["constant predictor's MAE"] = ["" if months is None else f"{months:.2f}" for months in constant.values()]
    said = "Ages in months; shares of images; parts by true group; in brackets 95 % bootstrap intervals."
    return f"## {_VALIDATION}\n\n{said}\n\n{markdown_table(shown)}"


def _checklists(cascade: Cascade, metrics: Mapping[str, float]) -> str:
    items = answered(cascade, metrics)
    return (
        f"## {CHECKLISTS}\n\nItems that the program answers of itself: {numbers(items, known=True)}.\n\n"
        f"{markdown_table(checklist_table(items))}\n\n"
        "Not answered here, for a program cannot know them (protocol, ethics, funding, registration, readers, dates, "
        f"centres, study size, interpretation): {numbers(items, known=False)}."
    )


def _intended_use() -> Iterator[str]:
    yield "An objective second reading of skeletal age beside a reader's own, in research."
    groups = ", ".join(RANGE_LABELS)
    yield f"In: one radiograph of a left hand and the patient's sex. Out: months, 0-228, for the groups {groups}."
    yield "Not for: diagnosis, age in legal proceedings, other body parts or views, adults, or use without a reader."


def _data(config: Config, facts: Mapping[str, Any]) -> Iterator[str]:
    images = facts.get("images", {})
    if images:
        yield "Images: " + ", ".join(f"{name} {count}" for name, count in images.items()) + "."
    for source in config.data.sources:
        use = "test only, never trained on" if source.role == "test" else "training and validation"
        yield f"Source `{source.name}`: {use}."
    split = str(facts.get("split_sha256", "unknown"))[:12]
    yield f"Validation part and {config.data.folds} folds drawn once, stratified by sex and group (`{split}`)."
    yield seen_words(facts) or (
        f"Of the study's images the backbone had seen before: {facts.get('backbone_saw_images', 'unknown')}."
    )
    if facts.get("note"):
        yield str(facts["note"])


def _method(cascade: Cascade) -> Iterator[str]:
    config = cascade.config
    prepared = config.preprocess
    form = ("cropped to the hand, " if prepared.crop else "") + ("padded to a square" if prepared.pad else "stretched")
    form += f", arranged by its regions (`{prepared.arrange}`)" if prepared.arrange != "none" else ""
    yield (
        f"Preparation: background by `{prepared.background}`, object `{prepared.select}`, "
        f"contrast `{prepared.contrast}`, {form}, {prepared.size} x {prepared.size} pixels."
    )
    passes = f"{len(config.cascade.views)} passes (views)" if len(config.cascade.views) > 1 else "one pass"
    state = "fine-tuned" if config.training.fine_tune.from_block else "frozen"
    yield f"Backbone: {state} `{config.backbone.name}`, weights `{config.backbone.weights}`, {passes} per image."
    yield from backbone_made(cascade)
    yield f"Ten heads: one classifier of the age group and four regressors per sex; {members(config)}."
    yield f"Of the heads: {hyperparameters(cascade)}; {learning(config)}."
    yield f"Routing: {config.cascade.routing}; a range given by the user skips the classifier."
    if cascade.stack is not None:
        yield f"The routed age is averaged with {stacked(cascade)}."
    if cascade.intervals and cascade.intervals.half_widths:
        yield f"Intervals: split conformal, {cascade.intervals.coverage:.0%} wanted, per sex and estimated group."
    else:
        yield "Intervals: none (there are no residuals of images that backbone and heads had not seen)."
    if cascade.regional is not None:
        yield "Carpals, radius and ulna, and short bones have an age each, with intervals of the same kind."
    if cascade.noise is not None:
        yield (
            f"A film with more than {cascade.noise.limit:.1f} grey levels of noise gets a warning and an interval "
            f"{cascade.noise.widening:.2f} times as wide."
        )
    if cascade.cases is not None:
        yield f"Of {len(cascade.cases.ids)} training cases ids, sexes, ages and compressed features travel along."
    yield f"After {PAPER_SOURCE}."


def _figures(heading: str, metrics: Mapping[str, float]) -> str:
    if "mae_months" not in metrics:
        return ""
    if "images" not in metrics:
        return f"## {heading}\n\nMAE {metrics['mae_months']:.3f} months."
    table = figures_table(metrics)
    kept = [name for name in _FIGURES if name in table and table[name].notna().any()]
    # Months and shares with two digits, counts and names as they are.
    rounded = table[kept].map(lambda value: f"{value:.2f}" if isinstance(value, float) else str(value))
    rounded = rounded.rename(columns=_FIGURES)
    return f"## {heading}\n\nAges in months; shares of images; parts by true group.\n\n{markdown_table(rounded)}"


def _stress(facts: Mapping[str, Any]) -> str:
    """Say per disturbance in how many films the estimate moved by over 12 months, at the worst strength."""
    if "stress" not in facts:
        return ""
    lines = (
        f"{name.removeprefix('stress_').removesuffix('_moved_over_12_months')}: {share:.0%}"
        for name, share in facts["stress"]["figures"].items()
    )
    return (
        f"## Stress test\n\nShare of {facts['stress']['films']} validation films whose estimate moved by over 12 "
        "months at the worst strength of each disturbance (`boneage stress`):\n\n" + _bullets(iter(lines))
    )


def _limits(metrics: Mapping[str, float], facts: Mapping[str, Any]) -> Iterator[str]:
    saw, said = backbone_saw(facts), str(facts.get("backbone_saw_images", "unknown"))
    if saw is None and said != "none":
        yield f"The backbone was trained on radiographs and had seen {said} of the study's: figures may be optimistic."
    elif saw is not None and saw[1]:
        yield f"{seen_words(facts)} The figures on these may be optimistic."
    elif saw is not None and saw[0]:
        yield f"{seen_words(facts)} No figure here is of a training image."
    yield "Near an edge of two age groups a wrong group costs most: look at the group's probabilities."
    worst = _worst_cell(metrics)
    if worst:
        yield f"The weakest part is {worst}."
    yield "Other hospitals' films, contrasts and populations may do worse; check on local images first."
    yield "The interval is the model's error, not the spread of healthy children's bone ages."


def _worst_cell(metrics: Mapping[str, float]) -> str:
    """Name the sex and group with the largest MAE."""
    cells = {
        f"{part.name.replace(' ', ', ')} months": metrics[f"mae_months{part.suffix}"]
        for part in PARTS
        if part.group and f"mae_months{part.suffix}" in metrics
    }
    if not cells:
        return ""
    name = max(cells, key=lambda cell: cells[cell])
    return f"{name}: MAE {cells[name]:.2f} months"


def _bullets(lines: Iterator[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
