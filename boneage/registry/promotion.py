"""Promote a version to champion through the gate, and go back."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from boneage.groups import ModelKey
from boneage.notices import fault
from boneage.registry.champions import HISTORY_TAG, Tenure, begin_tenure
from boneage.registry.checks import Rescore, Verdict, judge
from boneage.registry.versions import (
    CHALLENGER,
    CHAMPION,
    STATUS_TAG,
    RegistryError,
    VersionInfo,
    cascade_name,
    find,
    head_name,
    list_versions,
    show,
)
from boneage.tracking.environment import code_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LONGEST_HISTORY = 200


class PromotionError(RegistryError):
    """The gate refused a promotion; `verdict` says why, `outcome` in one sentence what was refused and what stays."""

    def __init__(self, outcome: str, verdict: Verdict) -> None:
        super().__init__(fault("promotion.refused", outcome=outcome, reason=verdict.reason))
        self.outcome, self.verdict = outcome, verdict


@dataclass(frozen=True)
class Promotion:
    """A promotion that took place.

    Attributes:
        version: the new champion's number.
        previous: the former champion's, or None.
        verdict: what the gate said.
        forced: whether the gate was overridden.
    """

    version: int
    previous: int | None
    verdict: Verdict
    forced: bool = False


def promote(
    client: MlflowClient,
    name: str = "boneage-cascade",
    version: int | str | None = None,
    *,
    rescore: Rescore | None = None,
    force_reason: str | None = None,
    by: str | None = None,
) -> Promotion:
    """Make a version the champion if the gate allows it, or if someone overrides the gate with a reason.

    Args:
        client: an open client.
        name: the registered cascade.
        version: number or alias; None takes the challenger.
        rescore: see `checks.judge`.
        force_reason: why the gate is overridden; it is kept in a tag together with `by`.
        by: who promotes; None takes the system's user.

    Raises:
        PromotionError: when the gate refuses and no reason to override it was given.
        RegistryError: when there is no such version, or the reason is empty.
    """
    if force_reason is not None and not force_reason.strip():
        raise RegistryError.of("promotion.no_reason")
    candidate = show(client, name, CHALLENGER if version is None else version)
    champion = find(client, name, CHAMPION)
    if champion is not None and champion.version == candidate.version:
        return Promotion(champion.version, champion.version, Verdict(True, "it is the champion already"))
    who = by or code_tags()["mlflow.user"]
    verdict = judge(client, candidate, champion, rescore)
    _note_verdict(client, candidate, champion, verdict)
    if not verdict.allowed:
        if force_reason is None:
            stays = f"version {champion.version} stays the champion" if champion else "there is still no champion"
            raise PromotionError(fault("promotion.outcome", name=name, version=candidate.version, stays=stays), verdict)
        _tag(client, candidate, promotion_forced_by=who, promotion_forced_reason=force_reason.strip())
    # The history first: a process killed before the alias moves leaves a history that rollback still reads.
    history = _history(client, name, champion) if champion else []
    _keep_history(client, name, [*history, candidate.version])
    how, why = ("promoted", "") if verdict.allowed else ("forced", force_reason or "")
    begin_tenure(client, candidate, Tenure(candidate.version, by=who, how=how, reason=why))
    _tag(client, candidate, promoted_at=_now(), promoted_by=who)
    _move_alias(client, candidate)
    return Promotion(candidate.version, champion.version if champion else None, verdict, not verdict.allowed)


def rollback(client: MlflowClient, name: str = "boneage-cascade", *, by: str | None = None) -> Promotion:
    """Give the champion's place back to the version that held it before.

    Raises:
        RegistryError: when there is no champion, or none before it.
    """
    champion = show(client, name, CHAMPION)
    history = _history(client, name, champion)
    while history and history[-1] == champion.version:
        history.pop()
    there = {info.version for info in list_versions(client, name)}
    while history and history[-1] not in there:
        history.pop()  # deleted meanwhile
    if not history:
        raise RegistryError.of("promotion.first_champion", name=name, version=champion.version)
    previous = show(client, name, history[-1])
    who = by or code_tags()["mlflow.user"]
    _tag(client, champion, rolled_back_at=_now(), rolled_back_by=who)
    begin_tenure(client, previous, Tenure(previous.version, by=who, how="rolled back to"))
    _move_alias(client, previous)
    _keep_history(client, name, history)
    return Promotion(previous.version, champion.version, Verdict(True, "it was the champion before"))


def champions(client: MlflowClient, name: str = "boneage-cascade") -> list[int]:
    """List the champions in the order that they served, the present one last."""
    champion = find(client, name, CHAMPION)
    return [] if champion is None else _history(client, name, champion)


def _move_alias(client: MlflowClient, info: VersionInfo) -> None:
    """Move the champion's alias to a cascade and to the ten heads that it pins."""
    from mlflow.exceptions import MlflowException

    prefix, status = info.name.removesuffix(cascade_name("")), show(client, info.name, info.version).status
    for key, version in info.heads.items():
        head = head_name(prefix, ModelKey.parse(key))
        # A head that someone deleted does not matter: the cascade holds its own copy.
        with contextlib.suppress(MlflowException):
            client.set_registered_model_alias(head, CHAMPION, str(version))
            client.set_model_version_tag(head, str(version), STATUS_TAG, status)
    client.set_registered_model_alias(info.name, CHAMPION, str(info.version))


def _history(client: MlflowClient, name: str, champion: VersionInfo) -> list[int]:
    """Read the champions so far, ending with the present one whatever was written."""
    text = client.get_registered_model(name).tags.get(HISTORY_TAG, "[]")
    history = [int(number) for number in json.loads(text)]
    if champion.version in history:
        last = len(history) - history[::-1].index(champion.version)
        return history[:last]
    return [*history, champion.version]


def _keep_history(client: MlflowClient, name: str, history: list[int]) -> None:
    client.set_registered_model_tag(name, HISTORY_TAG, json.dumps(history[-_LONGEST_HISTORY:]))


def _note_verdict(client: MlflowClient, info: VersionInfo, champion: VersionInfo | None, verdict: Verdict) -> None:
    """Keep what the gate said; a version that could not be compared stays pending."""
    compared = verdict.comparison
    status = "passed" if verdict.allowed else ("failed" if compared else "pending")
    _tag(client, info, **{STATUS_TAG: status}, gate=verdict.reason)
    if compared and champion:
        _tag(
            client,
            info,
            gate_champion=str(champion.version),
            gate_difference_months=f"{compared.whole.difference_months:.4f}",
            gate_interval_months=f"{compared.whole.low_months:.4f} to {compared.whole.high_months:.4f}",
        )


def _tag(client: MlflowClient, info: VersionInfo, **tags: str) -> None:
    for name, value in tags.items():
        client.set_model_version_tag(info.name, str(info.version), name, value)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
