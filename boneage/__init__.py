"""Estimate bone age in months from a left-hand radiograph. Research use only; not a medical device.

>>> import boneage
>>> cascade = boneage.load_cascade()                        # doctest: +SKIP
>>> cascade.estimate("hand.png", "female").bone_age_months  # doctest: +SKIP
112.4

The names in `__all__` are the public interface and follow semantic versioning; each is imported at its first use.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boneage.api import evaluate, load_cascade, run_study
    from boneage.cascade.bundle import BundleError
    from boneage.cascade.cascade import Cascade
    from boneage.cascade.estimate import Estimate, EstimateError
    from boneage.config import ConfigError, load_config
    from boneage.data.images import read_radiograph
    from boneage.data.radiograph import ImageError, Radiograph
    from boneage.errors import BoneageError
    from boneage.evaluation.evaluate import Evaluation
    from boneage.gate.gate import RefusedError
    from boneage.notices import Notice
    from boneage.registry.versions import RegistryError
    from boneage.study.job import StudyOutcome
    from boneage.tracking.store import StoreError

# Before TensorFlow or JAX are imported by whomever: a page and a served model may share one GPU.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

__version__ = "0.1.0"
__all__ = [
    "BoneageError",
    "BundleError",
    "Cascade",
    "ConfigError",
    "Estimate",
    "EstimateError",
    "Evaluation",
    "ImageError",
    "Notice",
    "Radiograph",
    "RefusedError",
    "RegistryError",
    "StoreError",
    "StudyOutcome",
    "__version__",
    "evaluate",
    "load_cascade",
    "load_config",
    "read_radiograph",
    "run_study",
]
_PLACES = {
    "BoneageError": "errors",
    "BundleError": "cascade.bundle",
    "Cascade": "cascade.cascade",
    "ConfigError": "config",
    "Estimate": "cascade.estimate",
    "EstimateError": "cascade.estimate",
    "Evaluation": "evaluation.evaluate",
    "ImageError": "data.radiograph",
    "Notice": "notices",
    "Radiograph": "data.radiograph",
    "RefusedError": "gate.gate",
    "RegistryError": "registry.versions",
    "StoreError": "tracking.store",
    "StudyOutcome": "study.job",
    "evaluate": "api",
    "load_cascade": "api",
    "load_config": "config",
    "read_radiograph": "data.images",
    "run_study": "api",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    if name not in _PLACES:
        raise AttributeError(f"module 'boneage' has no attribute {name!r}")
    found = getattr(import_module(f"boneage.{_PLACES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
