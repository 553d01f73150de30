"""Record where a bundle was made: settings without paths of the machine, and package versions."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from pathlib import Path

from boneage import __version__
from boneage.config import Config

_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless", "scikit-image", "onnxruntime", "rembg")


def portable(config: Config) -> Config:
    """Leave the paths of this machine out: a bundle moves, and a path may tell a hospital's name."""
    sources = tuple(
        replace(source, path=_base(source.path), images=tuple(map(_base, source.images)), sizes=_base(source.sizes))
        for source in config.data.sources
    )
    data = replace(config.data, root="", sources=sources, validation_ids=_base(config.data.validation_ids))
    preprocess = replace(config.preprocess, background=_base(config.preprocess.background))
    backbone = replace(config.backbone, weights=_base(config.backbone.weights))
    tuning = replace(config.tuning, storage="")
    return replace(config, data=data, preprocess=preprocess, backbone=backbone, tuning=tuning)


def _base(path: str) -> str:
    """Keep a relative path as it is and only the last part of an absolute one."""
    return Path(path).name if Path(path).expanduser().is_absolute() else path


def versions() -> dict[str, str]:
    """Return the versions of this package and of those that a bundle's answers depend on."""
    found = {"boneage": __version__}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
