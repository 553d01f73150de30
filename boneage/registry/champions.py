"""Who was champion from when to when: kept as tags of the registered model, which MLflow's UI shows as well."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from boneage.registry.lineage import validation_metrics
from boneage.registry.versions import VersionInfo, find, list_versions
from boneage.tracking.reader import store_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient

HISTORY_TAG = "champion_history"
"""The versions alone, in the order that they served: what a rollback goes back through."""
_TAG = "champion."
_FIGURES = ("mae_months", "within_12_months", "accuracy", "images")


@dataclass(frozen=True)
class Tenure:
    """One version's time as champion.

    Attributes:
        version: its number.
        since: when it became champion, UTC, ISO 8601; empty where that was not kept.
        until: when another one did; empty while it is the champion.
        by: who promoted it, or went back to it.
        how: `promoted`, `forced` (the gate had refused) or `rolled back to`.
        reason: why the gate was overridden.
        figures: on its study's validation images: `mae_months`, `within_12_months`, `accuracy`, `images`.
    """

    version: int
    since: str = ""
    until: str = ""
    by: str = ""
    how: str = "promoted"
    reason: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)

    def line(self) -> str:
        """Say it in a line."""
        mae = f", MAE {self.figures['mae_months']:.2f} months" if "mae_months" in self.figures else ""
        why = f" ({self.reason})" if self.reason else ""
        span = f"{self.since or 'unknown'} to {self.until or 'now'}"
        return f"version {self.version:<4} {span:<54} {self.how} by {self.by or 'unknown'}{why}{mae}"


def tenures(client: MlflowClient, name: str) -> list[Tenure]:
    """List a model's champions, the first one first; empty when nothing was promoted, or there is no such model."""
    try:
        tags = client.get_registered_model(name).tags
    except store_errors():
        return []
    kept = [_read(tags[tag]) for tag in sorted(tags) if tag.startswith(_TAG)]
    if kept:
        return kept
    # Of before tenures were kept: the order of the versions, and what each version's own tags say.
    order = [int(number) for number in json.loads(tags.get(HISTORY_TAG, "[]"))]
    known = {info.version: info for info in list_versions(client, name)}
    found = [_from_tags(number, known.get(number)) for number in order]
    return [replace(one, until=later.since or "unknown") for one, later in zip(found, found[1:], strict=False)] + found[
        -1:
    ]


def begin_tenure(client: MlflowClient, info: VersionInfo, tenure: Tenure) -> None:
    """Note that a version becomes champion, before the alias moves; the one before it ends."""
    now, earlier = datetime.now(UTC).isoformat(timespec="seconds"), tenures(client, info.name)
    if earlier and not earlier[-1].until and earlier[-1].version == info.version:
        # A promotion that was interrupted before the alias moved, and is given again.
        earlier.pop()
    if earlier and not earlier[-1].until:
        # A clock that was set back must not end it before it began.
        earlier[-1] = replace(earlier[-1], until=max(now, earlier[-1].since))
    figures = {name: value for name, value in validation_metrics(client, info).items() if name in _FIGURES}
    all_of_them = [*earlier, replace(tenure, version=info.version, since=now, figures=figures)]
    # Those of before tenures were kept get their tags now; otherwise the last two are all that is new.
    first = max(len(earlier) - 1, 0) if _is_kept(client, info.name) else 0
    for number, one in enumerate(all_of_them[first:], start=first + 1):
        client.set_registered_model_tag(info.name, f"{_TAG}{number:04d}", json.dumps(asdict(one)))


def tenure_lines(client: MlflowClient, name: str) -> Iterator[str]:
    """Say who was champion when, a line each, and whether the alias stands where the last line says."""
    found, champion = tenures(client, name), find(client, name, "champion")
    yield from (tenure.line() for tenure in found)
    if found and (champion is None or champion.version != found[-1].version):
        now = f"is version {champion.version}" if champion else "is no version"
        yield (
            f"but the champion {now}: the alias was moved or its version deleted by another program than `boneage "
            "registry`, or a promotion was interrupted; promote again to set it right"
        )


def _is_kept(client: MlflowClient, name: str) -> bool:
    return any(tag.startswith(_TAG) for tag in client.get_registered_model(name).tags)


def _read(text: str) -> Tenure:
    values: dict[str, Any] = json.loads(text)
    return Tenure(**values)


def _from_tags(version: int, info: VersionInfo | None) -> Tenure:
    tags = info.tags if info else {}
    forced = "promotion_forced_reason" in tags
    return Tenure(
        version,
        since=tags.get("promoted_at", ""),
        by=tags.get("promoted_by", ""),
        how="forced" if forced else "promoted",
        reason=tags.get("promotion_forced_reason", ""),
    )
