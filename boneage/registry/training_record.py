"""Write the training record of a lean archive, laid out like those of the other shipped files."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from boneage.cascade.bundle import BACKBONE_FILE, MASK_FILE
from boneage.config import Config, from_mapping, head_parameters
from boneage.groups import PARTS, ModelKey
from boneage.paths import assets
from boneage.registry.method_text import backbone_saw, searched
from boneage.registry.model_card import INTERVALS
from boneage.registry.packaging import CARD_FILE
from boneage.shipped import terms_of_use, write_record

_NETWORKS = {"backbone": BACKBONE_FILE, "mask": MASK_FILE}
_MADE_FROM = ("assembled_from", "assembled_heads", "recalibrated_from", "imported_from")
_FIGURES = (
    "images", "mae_months", "bias_months", "within_12_months", "within_24_months", "accuracy", "interval_coverage",
    "hard_mae_months", "constant_mae_months",
)  # fmt: skip
_WITH_INTERVAL = re.compile(r"(\S+) \((\S+) to (\S+)\)")


def write_asset_record(archive: Path) -> Path:
    """Write the record beside an archive that `boneage.registry.archive` wrote, from what the archive itself says."""
    with zipfile.ZipFile(archive) as file:
        there = set(file.namelist())
        manifest: dict[str, Any] = json.loads(file.read("manifest.json"))
        bundle: dict[str, Any] = json.loads(file.read("bundle/bundle.json"))
        card = file.read(CARD_FILE).decode("utf-8") if CARD_FILE in there else ""
    config, facts, tags = from_mapping(bundle["config"], origin=archive.name), bundle["card"], manifest["tags"]
    left_out = sorted(set(manifest["files"]) - there)
    saw, shares = backbone_saw(facts), (bundle.get("stack") or {}).get("shares", {})
    wanted = (*_FIGURES, *(f"mae_months{part.suffix}" for part in PARTS[1:]))
    metrics = {name: round(manifest["metrics"][name], 4) for name in wanted if name in manifest["metrics"]}
    fields = {
        # Networks that were left out are those that ship, under RSNA's terms.
        **({} if left_out else terms_of_use(config)),
        "name": manifest["name"],
        "version": manifest["version"],
        "study": config.study.name,
        "input": "one radiograph of a left hand and the sex",
        "output": "months, 0-228, with an interval and the probabilities of four age groups",
        "bundle_sha256": bundle["sha256"],
        "config_sha256": bundle["config_sha256"],
        "code": {name: tags[name] for name in ("code_version", "mlflow.source.git.commit") if name in tags},
        "made_from": {name: tags[name] for name in _MADE_FROM if name in tags},
        "networks": {
            name: {"sha256": manifest["files"][f"bundle/{file}"], "left_out": f"bundle/{file}" in left_out}
            for name, file in _NETWORKS.items()
            if f"bundle/{file}" in manifest["files"]
        },
        "recipe": {**bundle["config"], "seed": config.study.seed},
        "all_ages_shares": {sex: round(share, 4) for sex, share in shares.items()},
        "data": {
            "sources": {source.name: source.role for source in config.data.sources},
            "note": config.study.note,
            "counts": facts.get("images", {}),
            "out_of_fold": facts.get("out_of_fold", {}).get("images"),
            "split_sha256": facts.get("split_sha256"),
            "validation_sha256": tags.get("validation_sha256"),
            "backbone_saw": None if saw is None else {"train": saw[0], "validation": saw[1]},
        },
        "figures": {"validation": metrics, "intervals_95": card_intervals(card)},
        "command": _command(config, bundle, manifest["name"]),
    }
    return write_record(archive, fields)


def card_intervals(card: str) -> dict[str, dict[str, list[float]]]:
    """Read the 95 % intervals back from a model card: part -> metric -> low, high; empty where it has none."""
    names = {shown: name for name, shown in INTERVALS.items()}
    header: list[str] = []
    found: dict[str, dict[str, list[float]]] = {}
    for line in card.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells and found:
            break
        if cells[:2] == ["part", "images"]:
            header = [names.get(cell, "") for cell in cells]
        elif header and len(cells) == len(header):
            read = {name: _WITH_INTERVAL.fullmatch(cell) for name, cell in zip(header, cells, strict=True) if name}
            kept = {name: [float(match[2]), float(match[3])] for name, match in read.items() if match}
            found |= {cells[0]: kept} if kept else {}
    return found


def _command(config: Config, bundle: Mapping[str, Any], name: str) -> str:
    """Say what trained and what wrote it; folders of a machine are left out."""
    heads = {
        ModelKey.parse(key): head_parameters(head["parameters"], origin=key) for key, head in bundle["heads"].items()
    }
    program = "python -m tuning" if searched(config, heads) else "boneage train"
    file = Path("configs") / f"{config.study.name}.toml"
    known = file.as_posix() if (assets().parents[1] / file).is_file() else file.name
    return f"{program} {known} --set data.root=PATH --promote, then boneage registry export {name} --lean --out PLACE"
