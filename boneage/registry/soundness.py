"""What is wrong with a registry: aliases and versions that lead nowhere, each in a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boneage.errors import BoneageError
from boneage.groups import ModelKey
from boneage.registry.champions import tenures
from boneage.registry.in_use import versions_in_use
from boneage.registry.versions import CHAMPION, VersionInfo, cascade_name, head_name, list_versions, version_folder
from boneage.tracking.values import every_page

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

_SUFFIX = cascade_name("")
_REPAIR = "`boneage registry promote {name} --version NUMBER` names another one"


@dataclass(frozen=True)
class Doubt:
    """Something that leads nowhere; `severe` when an alias cannot answer because of it."""

    sentence: str
    severe: bool = True


def registry_doubts(client: MlflowClient) -> Iterator[Doubt]:
    """Yield everything that an alias, a cascade or the page needs and that is not there.

    Looked at are the aliases of every model, whether the files of each version with an alias are there, whether a
    champion was deleted, whether the heads are there that such a cascade was put together from, and whether the
    versions are there that a running page or listener answers with.

    Args:
        client: an open client.

    Raises:
        MlflowException: when the registry does not answer.
    """
    models = {
        model.name: model for model in every_page(lambda token: client.search_registered_models(page_token=token))
    }
    numbers = {name: {info.version: info for info in list_versions(client, name)} for name in models}
    for name, model in sorted(models.items()):
        yield from _aliases(model, numbers[name])
        if name.endswith(_SUFFIX):
            yield from _champion(client, name, numbers[name])
            for info in numbers[name].values():
                if info.aliases:
                    yield from _files(client, info)
                    yield from _heads(info, numbers)
    yield from _in_use(numbers)


def _in_use(numbers: dict[str, dict[int, VersionInfo]]) -> Iterator[Doubt]:
    for one in versions_in_use():
        if one.version not in numbers.get(one.model, {}):
            yield Doubt(
                f"a running {one.what} (process {one.process}) answers with {one.model} version {one.version}, which "
                f"was deleted: {_REPAIR.format(name=one.model)}, and the {one.what} has to be started again"
            )


def _aliases(model: RegisteredModel, numbers: dict[int, VersionInfo]) -> Iterator[Doubt]:
    for alias, version in sorted(model.aliases.items()):
        if int(version) not in numbers:
            yield Doubt(
                f"the alias {alias} of {model.name} points to version {version}, which was deleted: "
                + (_REPAIR.format(name=model.name) if model.name.endswith(_SUFFIX) else "register the head anew")
            )


def _champion(client: MlflowClient, name: str, numbers: dict[int, VersionInfo]) -> Iterator[Doubt]:
    """Yield what is wrong with the champion, as far as its history tells."""
    found = tenures(client, name)
    if found and not any(CHAMPION in info.aliases for info in numbers.values()):
        last = found[-1].version
        gone = f"version {last} was, and was deleted" if last not in numbers else f"version {last} was"
        what = _REPAIR.format(name=name) if numbers else "`boneage registry import --shipped` brings one"
        yield Doubt(f"{name} has no champion any more ({gone}): {what}")
    deleted = sorted({one.version for one in found[:-1]} - set(numbers))
    if deleted:
        yield Doubt(
            f"former champions of {name} were deleted (versions {', '.join(map(str, deleted))}): "
            "`boneage registry rollback` passes over them",
            severe=False,
        )


def _files(client: MlflowClient, info: VersionInfo) -> Iterator[Doubt]:
    try:
        version_folder(client, info)
    except BoneageError as error:
        yield Doubt(f"{error}; or `boneage registry import ARCHIVE` brings an exported copy back")


def _heads(info: VersionInfo, numbers: dict[str, dict[int, VersionInfo]]) -> Iterator[Doubt]:
    """Yield the heads that a cascade with an alias was put together from and that are registered no more."""
    prefix = info.name.removesuffix(_SUFFIX)
    pinned = {head_name(prefix, ModelKey.parse(key)): version for key, version in info.heads.items()}
    gone = [
        f"{name} {version}" for name, version in pinned.items() if version not in numbers.get(name, {version: None})
    ]
    if gone:
        yield Doubt(
            f"{info.name} version {info.version} ({', '.join(info.aliases)}) was put together from {', '.join(gone)}, "
            "deleted since: it answers as before, its bundle holds a copy, but their runs cannot be shown",
            severe=False,
        )
