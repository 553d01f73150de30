"""Assemble a new cascade from a registered one and chosen versions of its heads.

Heads fit together only on the same preparation and backbone, and figures are honest only on images that none of the
heads was trained on; both are checked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from boneage.cascade.bundle import BACKBONE_FILE, MASK_FILE, read_bundle
from boneage.cascade.cascade import Cascade
from boneage.cascade.intervals import Intervals
from boneage.groups import AGE_GROUPS, ModelKey
from boneage.registry.opening import bundle_folder, load_cascade
from boneage.registry.validation import read_validation
from boneage.registry.versions import RegistryError, VersionInfo, list_versions

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Assembly:
    """A cascade put together from registered heads, not yet scored or registered.

    Attributes:
        cascade: the new cascade.
        base: the version whose other heads it keeps.
        heads: the versions of all ten heads.
        replaced: what was replaced, for people: `regressor-female-4: 1 -> 3`.
        unseen: the validation images of the base and of every version that a head came from: id -> hash of the pixels.
    """

    cascade: Cascade
    base: VersionInfo
    heads: Mapping[ModelKey, int]
    replaced: tuple[str, ...]
    unseen: Mapping[str, str]


def assemble_heads(client: MlflowClient, base: VersionInfo, chosen: Mapping[ModelKey, int]) -> Assembly:
    """Replace heads of a registered cascade by chosen versions of the same heads.

    Args:
        client: an open client.
        base: the cascade to start from.
        chosen: head -> the registered version to take instead.

    Raises:
        RegistryError: when a version is unknown, is there already, or was made on another preparation or backbone; when
            the base carries a site's correction, which was fitted on its own heads.
        BundleError: when files are damaged.
    """
    present = {ModelKey.parse(name): version for name, version in base.heads.items()}
    changed = {key: version for key, version in chosen.items() if present.get(key) != version}
    if not changed:
        raise RegistryError.of("assembly.nothing", name=base.name, version=base.version)
    cascade, donors = load_cascade(base.uri, client), {}
    if cascade.calibration is not None:
        raise RegistryError.of("assembly.corrected", name=base.name, version=base.version)
    heads, intervals = dict(cascade.heads), cascade.intervals
    for key, version in changed.items():
        donors[key] = donor = _donor(client, base, key, version)
        _refuse_other_ground(client, base, donor)
        other = load_cascade(donor.uri, client)
        heads[key] = other.heads[key]
        intervals = _widest(intervals, other.intervals, key)
    replaced = tuple(f"{key}: {present.get(key)} -> {version}" for key, version in changed.items())
    # Figures of the base are none of the new cascade's.
    card = {name: value for name, value in cascade.card.items() if name not in {"validation", "test"}}
    card["assembled"] = {"from": f"{base.name} version {base.version}", "replaced": list(replaced)}
    made = replace(cascade, heads=heads, intervals=intervals, card=card)
    # What every version was validated on was never trained on.
    tables = [read_validation(client, info) for info in (base, *donors.values())]
    common = [set(zip(table["id"], table["content_sha256"], strict=True)) for table in tables]
    unseen = dict(set.intersection(*common))
    return Assembly(made, base, {**present, **changed}, replaced, unseen)


def of_unseen(assembly: Assembly, table: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of a labelled table (column `id`) whose images none of the heads was trained on.

    Raises:
        RegistryError: when no row is left.
    """
    kept = table[table["id"].astype(str).isin(assembly.unseen)].reset_index(drop=True)
    if kept.empty:
        raise RegistryError.of("assembly.no_honest_image")
    return kept


def check_films(assembly: Assembly, per_image: pd.DataFrame) -> None:
    """Make sure by their pixels that the scored films (columns `id`, `content_sha256`) are the validation images.

    Raises:
        RegistryError: when a film is another one of the same name.
    """
    for name, sha256 in zip(per_image["id"], per_image["content_sha256"], strict=True):
        if assembly.unseen[str(name)] != sha256:
            raise RegistryError.of("assembly.other_image", name=name)


def _donor(client: MlflowClient, base: VersionInfo, key: ModelKey, version: int) -> VersionInfo:
    """Find the newest cascade that pins a head's version: its bundle holds the head, with a checksum."""
    known: dict[int, VersionInfo] = {}
    for info in list_versions(client, base.name):
        if key.name in info.heads:
            known.setdefault(info.heads[key.name], info)
    if version not in known:
        numbers = ", ".join(f"{number} (in version {known[number].version})" for number in sorted(known)) or "none"
        raise RegistryError.of("assembly.no_head", name=base.name, version=version, head=key, versions=numbers)
    return known[version]


def _refuse_other_ground(client: MlflowClient, base: VersionInfo, donor: VersionInfo) -> None:
    mine, theirs = (read_bundle(bundle_folder(client, info)).values for info in (base, donor))
    same = {
        "preparation": mine["prepare_sha256"] == theirs["prepare_sha256"],
        "backbone": mine["files"].get(BACKBONE_FILE) == theirs["files"].get(BACKBONE_FILE),
        "mask network": mine["files"].get(MASK_FILE) == theirs["files"].get(MASK_FILE),
    }
    for what, equal in same.items():
        if not equal:
            raise RegistryError.of("assembly.other_features", version=donor.version, what=what, base=base.version)


def _widest(mine: Intervals | None, theirs: Intervals | None, key: ModelKey) -> Intervals | None:
    """Give the cells that a new head touches the wider interval of both: no residuals of the new cascade exist."""
    if mine is None or theirs is None:
        return None
    groups = [key.group] if key.group else [group.number for group in AGE_GROUPS]
    widths, counts = dict(mine.half_widths), dict(mine.counts)
    for cell in (f"{key.sex}-{group}" for group in groups):
        both = cell in widths and cell in theirs.half_widths and mine.widened == theirs.widened
        if not both:
            widths.pop(cell, None)
            counts.pop(cell, None)
            continue
        widths[cell] = max(widths[cell], theirs.half_widths[cell])
        counts[cell] = min(counts.get(cell, 0), theirs.counts.get(cell, 0))
    return replace(mine, half_widths=widths, counts=counts)
