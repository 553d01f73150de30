"""One folder that holds everything needed to serve a cascade, and nothing that runs code when it is read.

- `bundle.json`: what is what: configuration, heads, intervals, card, versions, sha256 of every other file
- `backbone.npz`: the shared frozen network's weights, which training goes on from
- `backbone.onnx`: the graph along which ONNX Runtime runs these weights; older bundles have none
- `heads.onnx`: the graph along which ONNX Runtime runs the heads; beside `backbone.onnx` only
- `heads/<key>.npz`: the ten heads' arrays (numpy, pickle refused), six per member of an ensemble
- `global.npz`: the head for all ages, where one is stacked with the experts
- `cases.npz`: ids, sexes, ages and compressed features of the training cases, where similar ones are shown
- `gate/`: the network and thresholds that refuse films, where the cascade asks for a gate
- `mask.onnx`: the mask network, where it is our own or a local file
- `regions.onnx`: the network that finds regions, where hands are arranged by them or regions have ages
- `ages.onnx`: the network that reads the ages of regions, where they have any
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import BadZipFile

import numpy as np

from boneage import __version__
from boneage.cascade.calibration import Calibration
from boneage.cascade.cascade import Cascade
from boneage.cascade.case_index import CaseIndex
from boneage.cascade.heads_graph import along_graph, write_heads_graph
from boneage.cascade.intervals import Intervals
from boneage.cascade.noise_guard import NoiseGuard
from boneage.cascade.parity import LARGEST_MONTHS, Films, compare_served
from boneage.cascade.provenance import portable, versions
from boneage.cascade.regional import Regional
from boneage.cascade.routing import Head
from boneage.cascade.stack import Stack
from boneage.config import Config, config_sha256, from_mapping, head_parameters, to_mapping
from boneage.errors import BoneageError
from boneage.files import copy_whole, replacing, write_whole
from boneage.gate.gate import Gate
from boneage.gate.network import read_model, save_model
from boneage.groups import ALL_MODELS, ModelKey
from boneage.learn.frozen import compact
from boneage.learn.global_head import GlobalHead
from boneage.learn.graph_backbone import GraphBackbone
from boneage.learn.saved import open_saved
from boneage.preprocess.background import network_file
from boneage.preprocess.preparer import Preparer
from boneage.regions.ages import RegionalAges
from boneage.regions.network import RegionFinder

FORMAT = 1
BUNDLE_FILE = "bundle.json"
BACKBONE_FILE = "backbone.npz"
GRAPH_FILE = "backbone.onnx"
HEADS_GRAPH_FILE = "heads.onnx"
GLOBAL_FILE = "global.npz"
CASES_FILE = "cases.npz"
GATE_FOLDER = "gate"
MASK_FILE = "mask.onnx"
REGIONS_FILE, AGES_FILE = "regions.onnx", "ages.onnx"


class BundleError(BoneageError):
    """A bundle that is missing, damaged, tampered with or of another format."""


@dataclass(frozen=True)
class BundleContent:
    """`bundle.json`, checked.

    Attributes:
        folder: where the bundle lies.
        values: the JSON's values.
    """

    folder: Path
    values: Mapping[str, Any]

    @property
    def config(self) -> Config:
        """The study's configuration, without the paths of the machine that made it."""
        return from_mapping(self.values["config"], origin=str(self.folder / BUNDLE_FILE))


def save_bundle(cascade: Cascade, folder: str | Path, films: Films | None = None) -> Path:
    """Write a cascade as a new folder.

    Args:
        cascade: the cascade.
        folder: a new folder, or an empty one.
        films: films on which the graph is compared with the backbone that it was made from; a cascade can be registered
            only when it was. Without films the comparison that its backbone brings along stands.

    Raises:
        BundleError: when the folder exists and is not empty, or a head is no `Head`.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise BundleError.of("bundle.not_empty", folder=folder)
    (folder / "heads").mkdir(parents=True, exist_ok=True)
    cascade.backbone.save(folder / BACKBONE_FILE)
    cascade.backbone.save_graph(folder / GRAPH_FILE)
    heads = {key.name: _save_head(cascade.heads[key], folder) for key in ALL_MODELS}
    stack = _save_stack(cascade.stack, folder) if cascade.stack else None
    if (folder / GRAPH_FILE).is_file():
        write_heads_graph(_heads(cascade), _all_ages(cascade), folder / HEADS_GRAPH_FILE)
    if cascade.cases is not None:
        cascade.cases.save(folder / CASES_FILE)
    if cascade.config.cascade.gate:
        save_model((cascade.gate or Gate()).model, folder / GATE_FOLDER)
    regional = _save_regional(cascade.regional, folder) if cascade.regional else None
    mask = network_file(cascade.preparer.config.background)
    if mask is not None:
        copy_whole(mask, folder / MASK_FILE)
    if cascade.preparer.config.arrange != "none":
        copy_whole(cascade.preparer.finder.file, folder / REGIONS_FILE)
    values = {
        "format": FORMAT,
        "config": to_mapping(portable(cascade.config)),
        "config_sha256": config_sha256(cascade.config),
        "prepare_sha256": cascade.preparer.sha256,
        "heads": heads,
        "stack": stack,
        "intervals": cascade.intervals.to_mapping() if cascade.intervals else None,
        "calibration": cascade.calibration.to_mapping() if cascade.calibration else None,
        "card": cascade.card,
        "noise": cascade.noise.to_mapping() if cascade.noise else None,
        "graph": _proof(cascade, folder, films),
        **({"regional": regional} if regional else {}),
        "versions": versions(),
        "files": {path.relative_to(folder).as_posix(): file_sha256(path) for path in _files(folder)},
    }
    values["sha256"] = _digest(values)
    # Last: a bundle whose writing was interrupted has no list of its files, and none takes it for a bundle.
    write_whole(folder / BUNDLE_FILE, json.dumps(values, indent=2))
    return folder


def load_bundle(folder: str | Path) -> Cascade:
    """Read a bundle back, after verifying the checksum of every file in it.

    Raises:
        BundleError: when the bundle is missing, damaged or was changed after it was written.
    """
    content = read_bundle(folder)
    config, values = content.config, content.values
    preprocess = config.preprocess
    if MASK_FILE in values["files"]:
        preprocess = replace(preprocess, background=str(content.folder / MASK_FILE))
    preparer = Preparer(preprocess, regions=content.folder / REGIONS_FILE if REGIONS_FILE in values["files"] else None)
    if preparer.sha256 != values["prepare_sha256"]:
        raise BundleError.of(
            "bundle.preprocessing",
            folder=content.folder,
            made_with=values["versions"].get("boneage"),
            here=__version__,
        )
    backbone = open_saved(content.folder / BACKBONE_FILE, content.folder / GRAPH_FILE)
    backbone.proof = values.get("graph")
    cascade = Cascade(
        preparer=preparer,
        backbone=backbone,
        heads={key: _load_head(key, values["heads"], content.folder) for key in ALL_MODELS},
        config=config,
        card=dict(values["card"]),
        intervals=Intervals.from_mapping(values["intervals"]) if values["intervals"] else None,
        # Bundles of before calibrations existed have no such key.
        calibration=Calibration.from_mapping(values["calibration"]) if values.get("calibration") else None,
        # Nor have bundles of before heads for all ages, or of before guards against noise.
        stack=_load_stack(values["stack"], content.folder) if values.get("stack") else None,
        noise=NoiseGuard.from_mapping(values["noise"]) if values.get("noise") else None,
        cases=CaseIndex.load(content.folder / CASES_FILE, backbone.sha256) if CASES_FILE in values["files"] else None,
        # Before gates travelled along, every cascade had the one that ships with the package.
        gate=Gate(read_model(content.folder / GATE_FOLDER)) if f"{GATE_FOLDER}/gate.npz" in values["files"] else None,
        model=content.folder.name,
        regional=_load_regional(values["regional"], content.folder) if "regional" in values else None,
    )
    # Heads of before graphs, and those beside a backbone that serves through Keras, answer by NumPy.
    return _along_graph(cascade, content.folder) if HEADS_GRAPH_FILE in values["files"] else cascade


def read_bundle(folder: str | Path) -> BundleContent:
    """Read `bundle.json` and verify every checksum, without opening any network.

    Raises:
        BundleError: as `load_bundle`.
    """
    folder = Path(folder)
    values = _read_json(folder)
    if values.get("format") != FORMAT:
        raise BundleError.of("bundle.format", folder=folder, came=values.get("format"), wanted=FORMAT)
    if values.get("sha256") != _digest({name: value for name, value in values.items() if name != "sha256"}):
        raise BundleError.of("bundle.changed", file=folder / BUNDLE_FILE)
    for name, expected in values["files"].items():
        _verify(folder, name, expected)
    return BundleContent(folder, values)


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _proof(cascade: Cascade, folder: Path, films: Films | None) -> dict[str, float] | None:
    """Compare the written graph with the backbone that it was made from, or hand on what was found before."""
    if films is None or not (folder / GRAPH_FILE).is_file():
        return getattr(cascade.backbone, "proof", None)
    graph = GraphBackbone(folder / BACKBONE_FILE, folder / GRAPH_FILE)
    found = compare_served(cascade, replace(_along_graph(cascade, folder), backbone=graph), films)
    if cascade.config.backbone.weights == "none" and not found["largest_difference_months"] <= LARGEST_MONTHS:
        # A deep network of random weights is chaotic: the last bit of a sum changes its ages. It serves through Keras.
        (folder / GRAPH_FILE).unlink()
        (folder / HEADS_GRAPH_FILE).unlink()
        return None
    return found


def _heads(cascade: Cascade) -> dict[ModelKey, Head]:
    return {key: head for key, head in cascade.heads.items() if isinstance(head, Head)}


def _all_ages(cascade: Cascade) -> GlobalHead | None:
    return cascade.stack.head if cascade.stack else None


def _along_graph(cascade: Cascade, folder: Path) -> Cascade:
    """Return a cascade whose heads answer along the graph of a bundle."""
    heads, all_ages = along_graph(folder / HEADS_GRAPH_FILE, _heads(cascade), _all_ages(cascade))
    stack = replace(cascade.stack, head=all_ages) if cascade.stack and all_ages else None
    return replace(cascade, heads=heads, stack=stack)


def _save_head(head: Any, folder: Path) -> dict[str, Any]:
    if not isinstance(head, Head):
        raise BundleError.of("bundle.unfitted", came=type(head).__name__)
    name = f"heads/{head.key.name}.npz"
    _save_arrays(head.weights, folder / name)
    return {"file": name, "arrays": len(head.weights), "parameters": to_mapping(head.params)}


def _load_head(key: ModelKey, heads: Mapping[str, Any], folder: Path) -> Head:
    entry = heads[key.name]
    params = head_parameters(entry["parameters"], origin=key.name)
    return Head(key, params, _load_arrays(folder / entry["file"]))


def _save_stack(stack: Stack, folder: Path) -> dict[str, Any]:
    _save_arrays(stack.head.weights, folder / GLOBAL_FILE)
    lines = {sex: list(line) for sex, line in stack.lines.items()}
    return {"kind": stack.head.kind, "shares": dict(stack.shares), **({"lines": lines} if lines else {})}


def _load_stack(entry: Mapping[str, Any], folder: Path) -> Stack:
    lines = {sex: (float(factor), float(months)) for sex, (factor, months) in entry.get("lines", {}).items()}
    return Stack(GlobalHead(entry["kind"], _load_arrays(folder / GLOBAL_FILE)), dict(entry["shares"]), lines)


def _save_regional(regional: Regional, folder: Path) -> dict[str, Any]:
    copy_whole(regional.networks.finder.file, folder / REGIONS_FILE)
    copy_whole(regional.networks.reader, folder / AGES_FILE)
    return {region: intervals.to_mapping() for region, intervals in regional.intervals.items()}


def _load_regional(entry: Mapping[str, Any], folder: Path) -> Regional:
    networks = RegionalAges(RegionFinder(folder / REGIONS_FILE), folder / AGES_FILE)
    return Regional(networks, {region: Intervals.from_mapping(values) for region, values in entry.items()})


def _save_arrays(weights: Sequence[np.ndarray], file: Path) -> None:
    """Write arrays in their order, as float16 where that loses nothing."""
    arrays = {f"weight_{i:02d}": compact(np.asarray(weight)) for i, weight in enumerate(weights)}
    with replacing(file) as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]


def _load_arrays(file: Path) -> tuple[np.ndarray, ...]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return tuple(arrays[name].astype(np.float32) for name in sorted(arrays.files))
    except (ValueError, BadZipFile, OSError) as error:
        raise BundleError.of("bundle.no_arrays", file=file, reason=error) from error


def _read_json(folder: Path) -> dict[str, Any]:
    file = folder / BUNDLE_FILE
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleError.of("bundle.missing", folder=folder, file=BUNDLE_FILE) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BundleError.of("bundle.no_json", file=file, reason=error) from error
    if not isinstance(values, dict):
        raise BundleError.of("bundle.no_object", file=file, came=type(values).__name__)
    return values


def _verify(folder: Path, name: str, expected: str) -> None:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        raise BundleError.of("bundle.outside", file=folder / BUNDLE_FILE, name=name)
    path = folder / name
    if not path.is_file():
        raise BundleError.of("bundle.incomplete", folder=folder, name=name)
    if file_sha256(path) != expected:
        raise BundleError.of("bundle.damaged", file=path, record=BUNDLE_FILE)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != BUNDLE_FILE)


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
