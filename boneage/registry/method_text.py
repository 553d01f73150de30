"""Describe how a cascade was made, from its bundle, its configuration and its backbone's training record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from boneage.cascade.bundle import file_sha256
from boneage.cascade.cascade import Cascade
from boneage.cascade.stack import REGIONS_SHARE
from boneage.config import Config, HeadParameters
from boneage.groups import ModelKey, Task
from boneage.learn.all_ages import LOSSES
from boneage.paths import assets


def hyperparameters(cascade: Cascade) -> str:
    """Say whether the heads' hyperparameters were searched: those that were not are the configuration's own."""
    folds = f"{cascade.config.data.folds} folds"
    if searched(cascade.config, {key: getattr(head, "params", None) for key, head in cascade.heads.items()}):
        return f"hyperparameters searched per head by {folds}"
    return "hyperparameters fixed by the configuration, none searched"


def searched(config: Config, params: Mapping[ModelKey, HeadParameters | None]) -> bool:
    """Tell whether any head has other hyperparameters than the configuration names; None where a head has none."""
    regressor = config.classifier if config.classifier.loss in LOSSES else config.regressor
    own = {Task.CLASSIFIER: config.classifier, Task.REGRESSOR: regressor}
    return any(one is not None and one != own[key.task] for key, one in params.items())


def members(config: Config) -> str:
    """Say what each served head is: the mean of its fold heads, or one head that was trained on."""
    if config.cascade.members == "folds":
        return f"each head the mean of its {config.data.folds} fold heads"
    by = "by the validation images" if config.training.final_stop == "validation" else "at its folds' median best epoch"
    return f"each head trained on from its best fold's and stopped {by}; no ensemble"


def learning(config: Config) -> str:
    """Say what the regressors learn: their loss, and from how far beyond their ranges.

    Where one head per sex does it all, say so: what it learns, and that the ten models are its parts.
    """
    if config.classifier.loss in LOSSES:
        target = "the year" if config.classifier.loss == "years" else "the expected months"
        return f"one head per sex for all ages, which learns {target}; groups and experts are its parts"
    ends = (
        "end in label distributions" if config.regressor.loss == "distribution" else f"minimise {config.regressor.loss}"
    )
    beyond = config.training.overlap_months
    return f"regressors {ends}" + (f" and learn from {beyond:g} months beyond their ranges, too" if beyond else "")


def views(config: Config) -> str:
    """Say over how many views of a film its features are averaged; empty for one."""
    count = len(config.cascade.views)
    return f"features the mean of {count} views" if count > 1 else ""


def stacked(cascade: Cascade) -> str:
    """Name the head for all ages and its share in the age per sex; empty without one."""
    if cascade.stack is None:
        return ""
    alone = {True: ", which it gives alone", False: ""}
    shares = [f"{share:.0%} ({sex}{alone[share >= 1]})" for sex, share in sorted(cascade.stack.shares.items())]
    head = "the backbone's own head" if cascade.config.global_head.kind == "own" else "a head"
    regions = f"; of that, {REGIONS_SHARE:.0%} is what the hand's regions give together" if cascade.regional else ""
    spread = "; then a line per sex that gives estimates the spread of readers' ages" if cascade.stack.lines else ""
    return f"{head} for all ages, its share in the age: {', '.join(shares) or 'none'}{regions}{spread}"


def backbone_saw(facts: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return how many training and how many validation images the backbone had seen; None where that is not known.

    What the folds taught rests on all training images that the backbone had not seen, and on no other.
    """
    images, said = facts.get("images", {}), str(facts.get("backbone_saw_images", "unknown"))
    if not {"train", "validation"} <= set(images):
        return None
    train, validation = int(images["train"]), int(images["validation"])
    if said in {"none", "all"}:
        return (0, 0) if said == "none" else (train, validation)
    kept, count = facts.get("out_of_fold", {}).get("images"), said.partition(" of ")[0]
    if kept is None or not count.isdigit():
        return None
    of_training = train - int(kept)
    of_validation = int(count) - of_training
    return (of_training, of_validation) if of_training >= 0 and 0 <= of_validation <= validation else None


def seen_words(facts: Mapping[str, Any]) -> str:
    """Say how many of the training and of the validation images the backbone had seen; empty where it is not known."""
    saw = backbone_saw(facts)
    if saw is None:
        return ""
    train, validation = facts["images"]["train"], facts["images"]["validation"]
    return (
        f"Of the {train} training images the backbone had seen {_share_of(saw[0], train)} before, "
        f"of the {validation} validation images {_share_of(saw[1], validation)}."
    )


def _share_of(count: int, total: int) -> str:
    return "none" if count == 0 else "all" if count == total else str(count)


def shipped_record(cascade: Cascade) -> Mapping[str, Any] | None:
    """Return the training record of the backbone, None where it is not the very network that ships."""
    file = getattr(cascade.backbone, "file", None)
    if file is None or not Path(file).is_file():
        return None
    path = assets() / f"{cascade.backbone.name}.json"
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record if record["sha256"] == file_sha256(Path(file)) else None


def backbone_made(cascade: Cascade) -> Iterator[str]:
    """Say how the shipped backbone was made: its lessons, on what machine, from which films."""
    record = shipped_record(cascade)
    if record is None:
        return
    if record.get("lessons"):
        yield f"The backbone's training: {'; '.join(_lessons(record['lessons']))}."
    if record.get("made"):
        yield f"It was made with {record['made']}."
    counts = record["data"]["counts"]
    yield (
        f"It learnt from the films of {counts['train']} children; {counts['unseen']} further ones and the "
        f"{counts['validation']} of the validation list were kept from it (record `{Path(record['file']).stem}.json`, "
        f"sha256 {record['sha256'][:12]})."
    )


def _lessons(lessons: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Say the lessons in their order, those of one kind together: `teacher-1` and `teacher-2` are 2 teachers."""
    kinds: dict[str, list[str]] = {}
    for name in lessons:
        stem, _, number = name.rpartition("-")
        kinds.setdefault(stem if number.isdigit() else name, []).append(name)
    for kind, names in kinds.items():
        lesson = lessons[names[0]]
        what = f"{len(names)} {kind}s" if len(names) > 1 else f"`{kind}`"
        begun = f", begun from {lesson['begins']}" if lesson["begins"] else ""
        taught = f", taught by {', '.join(lesson['teachers'])}" if lesson["teachers"] else ""
        yield what + begun + taught
