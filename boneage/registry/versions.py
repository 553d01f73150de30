"""Look up registered versions: their names, what is known of each, and where their files lie."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from boneage.errors import BoneageError
from boneage.groups import ALL_MODELS, ModelKey
from boneage.notices import Notice, fault
from boneage.paths import workspace
from boneage.tracking.reader import store_errors
from boneage.tracking.values import every_page

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
CHALLENGER = "challenger"
STATUS_TAG = "validation_status"
HEAD_TAG = "head."
MAE_TAG = "validation_mae_months"
_URI = re.compile(r"^models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))$")
_FIRST_VERSION = {"shipped": "boneage registry import --shipped", "search": "python -m tuning CONFIG"}
_MISSING = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}


class RegistryError(BoneageError):
    """Something asked of the registry that is not there or not allowed; the message says what to run."""


@dataclass(frozen=True)
class VersionInfo:
    """Facts of one registered version.

    Attributes:
        name: the registered model.
        version: its number.
        aliases: for example `champion`.
        status: `pending`, `passed` or `failed`.
        created: time of registration, UTC, ISO 8601.
        run_id: the run that made it.
        tags: all its tags.
        card: the model card, markdown.
    """

    name: str
    version: int
    aliases: tuple[str, ...]
    status: str
    created: str
    run_id: str
    tags: Mapping[str, str]
    card: str

    @property
    def uri(self) -> str:
        """The URI that loads exactly this version."""
        return f"models:/{self.name}/{self.version}"

    @property
    def mae_months(self) -> float | None:
        """The cascade's MAE on its study's validation images, where known."""
        return float(self.tags[MAE_TAG]) if MAE_TAG in self.tags else None

    @property
    def heads(self) -> dict[str, int]:
        """The pinned versions of the ten heads, by the models' names."""
        found = {name.removeprefix(HEAD_TAG): value for name, value in self.tags.items() if name.startswith(HEAD_TAG)}
        return {key.name: int(found[key.name]) for key in ALL_MODELS if key.name in found}


def cascade_name(prefix: str = "boneage") -> str:
    """Return the registered name of a study's cascade."""
    return f"{prefix}-cascade"


def head_name(prefix: str, key: ModelKey) -> str:
    """Return the registered name of one head, for example `boneage-regressor-female-4`."""
    return f"{prefix}-{key.name}"


def list_versions(client: MlflowClient, name: str = "boneage-cascade") -> list[VersionInfo]:
    """List all versions of a registered model, the newest first; empty when nothing was registered."""
    aliases = _aliases(client, name)
    query = f"name = '{name}'"
    found = every_page(lambda token: client.search_model_versions(query, page_token=token))
    return sorted((_info(one, aliases) for one in found), key=lambda info: info.version, reverse=True)


def show(client: MlflowClient, name: str = "boneage-cascade", version: int | str | None = None) -> VersionInfo:
    """Return one version: by number, by alias, or (None) the champion.

    Raises:
        RegistryError: when it is not there.
    """
    wanted = CHAMPION if version is None else str(version)
    found = ask(client.get_model_version if wanted.isdigit() else client.get_model_version_by_alias, name, wanted)
    if found is None:
        raise RegistryError(_not_there(client, name, wanted))
    return _info(found, _aliases(client, name))


def ask(get: Callable[..., Any], name: str, *details: str) -> Any:
    """Ask the store for something by its name; None where there is no such thing.

    Raises:
        RegistryError: when the store does not answer.
    """
    try:
        return get(name, *details)
    except store_errors() as error:
        if getattr(error, "error_code", "") not in _MISSING:
            raise RegistryError.of("registry.no_answer", name=name, reason=error) from error
        return None


def find(client: MlflowClient, name: str, alias: str) -> VersionInfo | None:
    """Return the version an alias points to, or None where there is none."""
    number = _aliases(client, name).get(alias)
    return None if number is None else show(client, name, number)


def parse_uri(uri: str) -> tuple[str, str]:
    """Split `models:/NAME@ALIAS` or `models:/NAME/VERSION` into name and alias or version.

    Raises:
        RegistryError: when it is neither.
    """
    match = _URI.match(uri)
    if match is None:
        raise RegistryError.of("registry.uri", given=uri)
    return match["name"], match["alias"] or match["version"]


def version_folder(client: MlflowClient, info: VersionInfo) -> Path:
    """Return the local folder of a version's files; a server's are fetched once and kept.

    Raises:
        RegistryError: when the files are not where the store says.
    """
    location = client.get_model_version_download_uri(info.name, str(info.version))
    scheme = urlparse(location).scheme
    if scheme in {"", "file"} or location[1:3] == ":\\":
        folder = Path(unquote(urlparse(location).path) if scheme == "file" else location)
    else:
        folder = _fetched(client, info, location)
    if not (folder / "MLmodel").is_file():
        raise RegistryError.of("registry.files_gone", name=info.name, version=info.version, folder=folder)
    return folder


def _fetched(client: MlflowClient, info: VersionInfo, location: str) -> Path:
    import tempfile

    import mlflow
    from mlflow.exceptions import MlflowException

    stem = urlparse(location).path.strip("/").replace("/", "-")
    folder = workspace() / "fetched" / info.name / f"{info.version}-{stem}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as part:
            try:
                got = mlflow.artifacts.download_artifacts(location, dst_path=part, tracking_uri=client.tracking_uri)
            except MlflowException as error:
                raise RegistryError.of(
                    "registry.not_fetched", name=info.name, version=info.version, reason=error
                ) from error
            Path(got).rename(folder)
    return folder


def _aliases(client: MlflowClient, name: str) -> dict[str, int]:
    model = ask(client.get_registered_model, name)
    return {alias: int(version) for alias, version in model.aliases.items()} if model else {}


def _info(found: ModelVersion, aliases: Mapping[str, int]) -> VersionInfo:
    version = int(found.version)
    created = datetime.fromtimestamp(found.creation_timestamp / 1000, UTC)
    return VersionInfo(
        name=found.name,
        version=version,
        aliases=tuple(sorted(alias for alias, number in aliases.items() if number == version)),
        status=found.tags.get(STATUS_TAG, "pending"),
        created=created.isoformat(timespec="seconds"),
        run_id=found.run_id or "",
        tags=dict(found.tags),
        card=found.description or "",
    )


def _not_there(client: MlflowClient, name: str, wanted: str) -> Notice:
    known = list_versions(client, name)
    if not known:
        return fault("registry.nothing", name=name, **_FIRST_VERSION)
    numbers = ", ".join(str(info.version) for info in reversed(known))
    gone = _aliases(client, name).get(wanted)
    if gone is not None:
        command = f"boneage registry promote {name} --version NUMBER"
        return fault("registry.alias_gone", alias=wanted, name=name, version=gone, command=command)
    if wanted == CHAMPION:
        return fault("registry.not_promoted", name=name, command="boneage registry promote", versions=numbers)
    return fault("registry.no_version", name=name, wanted=wanted, versions=numbers)
