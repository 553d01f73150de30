"""The configuration of a study: the dataclasses of `boneage.settings`, read from TOML.

Everything a study does is in them, so `config_sha256` identifies a study's settings. An unknown or ill-typed key is an
error that names the key, its section and the nearest valid key.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from boneage.errors import BoneageError
from boneage.settings import (
    Arrange,
    BackboneConfig,
    CascadeConfig,
    ClassifierObjective,
    Config,
    Contrast,
    DataConfig,
    FinalStop,
    FineTuneConfig,
    GlobalHeadConfig,
    GlobalKind,
    HeadParameters,
    Layout,
    Loss,
    Members,
    Mirror,
    OuterConfig,
    PreprocessConfig,
    Pruner,
    RegressorObjective,
    Role,
    Routing,
    Selection,
    SourceConfig,
    StudyConfig,
    TrainingConfig,
    TuningConfig,
    View,
)

__all__ = [
    "Arrange",
    "BackboneConfig",
    "CascadeConfig",
    "ClassifierObjective",
    "Config",
    "ConfigError",
    "Contrast",
    "DataConfig",
    "FinalStop",
    "FineTuneConfig",
    "GlobalHeadConfig",
    "GlobalKind",
    "HeadParameters",
    "Layout",
    "Loss",
    "Members",
    "Mirror",
    "OuterConfig",
    "PreprocessConfig",
    "Pruner",
    "RegressorObjective",
    "Role",
    "Routing",
    "Selection",
    "SourceConfig",
    "StudyConfig",
    "TrainingConfig",
    "TuningConfig",
    "View",
    "apply_overrides",
    "config_sha256",
    "from_mapping",
    "head_parameters",
    "load_config",
    "to_mapping",
]

_T = TypeVar("_T")


class ConfigError(BoneageError):
    """A configuration that cannot be used; the message names the section and the key."""


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Read a TOML file and apply `section.key=value` overrides (values as in TOML; bare words are strings).

    Raises:
        ConfigError: when the file is missing or no TOML, or a key is unknown or ill-typed.
    """
    file = Path(path)
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError.of("config.missing", file=file) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError.of("config.no_toml", file=file, reason=error) from error
    return from_mapping(apply_overrides(tree, overrides), origin=str(file))


def apply_overrides(tree: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Set `section.key=value` in a nested mapping (values as in TOML; bare words are strings) and return it.

    Raises:
        ConfigError: when an override has another form.
    """
    for override in overrides:
        _apply_override(tree, override)
    return tree


def from_mapping(tree: Mapping[str, Any], origin: str = "configuration") -> Config:
    """Check a nested mapping and turn it into a `Config`.

    Raises:
        ConfigError: when a key is unknown or ill-typed.
    """
    config = _read(Config, tree, origin)
    if config.regressor.loss in {"years", "months"}:
        raise ConfigError.of("config.whole_loss", place=origin, loss=config.regressor.loss)
    return config


def head_parameters(tree: Mapping[str, Any], origin: str = "parameters") -> HeadParameters:
    """Check a mapping of hyperparameters (for example a study's exported best parameters).

    Raises:
        ConfigError: when a key is unknown or ill-typed.
    """
    return _read(HeadParameters, tree, origin)


def to_mapping(config: Any) -> dict[str, Any]:
    """Return any of this module's dataclasses as plain nested dictionaries and lists, ready for JSON or TOML."""
    return dict(json.loads(json.dumps(asdict(config))))


def config_sha256(config: Any) -> str:
    """Return the hash that identifies settings: sha256 of the canonical JSON of any of this module's dataclasses."""
    text = json.dumps(asdict(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _read(kind: type[_T], tree: Mapping[str, Any], origin: str) -> _T:
    try:
        # JSON mode is strict about numbers and strings and still takes a TOML array for a tuple.
        return TypeAdapter(kind).validate_json(json.dumps(dict(tree), default=str), strict=True)
    except ValidationError as error:
        said = [_explain(kind, item) for item in error.errors()]
        raise ConfigError.of("config.invalid", place=origin, reasons=said) from error


def _explain(kind: type[Any], error: Any) -> str:
    """Turn one pydantic error into a sentence: section, key, what was wanted, what came, the nearest valid key."""
    path = [str(part) for part in error["loc"]]
    section, key = ".".join(path[:-1]) or "top level", path[-1]
    if error["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        valid = _keys_at(kind, error["loc"][:-1])
        near = difflib.get_close_matches(key, valid, n=1, cutoff=0.0)
        return f"unknown key '{key}' in [{section}]; the nearest valid key is '{near[0] if near else ''}'"
    if error["type"] == "missing":
        return f"key '{key}' is missing in [{section}]"
    return f"key '{key}' in [{section}]: {error['msg'].lower()}, but {error['input']!r} was given"


def _keys_at(kind: Any, location: Iterable[Any]) -> list[str]:
    """List the keys that are valid where an error happened, following dataclass fields and tuple items."""
    current: Any = kind
    for part in location:
        if isinstance(part, int):
            continue
        hints = {item.name: item for item in fields(current)} if is_dataclass(current) else {}
        current = _SECTIONS.get(hints[part].name) if part in hints else None
        if current is None:
            return []
    return [item.name for item in fields(current)]


_SECTIONS: dict[str, Any] = {
    "study": StudyConfig,
    "data": DataConfig,
    "sources": SourceConfig,
    "preprocess": PreprocessConfig,
    "backbone": BackboneConfig,
    "classifier": HeadParameters,
    "regressor": HeadParameters,
    "training": TrainingConfig,
    "fine_tune": FineTuneConfig,
    "global_head": GlobalHeadConfig,
    "tuning": TuningConfig,
    "outer": OuterConfig,
    "cascade": CascadeConfig,
}


def _apply_override(tree: dict[str, Any], override: str) -> None:
    """Set one `section.key=value` in the tree read from TOML."""
    path, separator, text = override.partition("=")
    *sections, key = path.strip().split(".")
    if not separator or not sections or not key:
        raise ConfigError.of("config.set", given=override)
    branch: Any = tree
    for section in sections:
        branch = branch.setdefault(section, {})
        if not isinstance(branch, dict):
            raise ConfigError.of("config.section", given=override, section=section)
    branch[key] = _override_value(text.strip())


def _override_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
