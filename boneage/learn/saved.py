"""Open a saved backbone to serve: by ONNX Runtime wherever a graph fits its weights, else by Keras."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from boneage.learn import handnet
from boneage.learn.graph_backbone import GraphBackbone
from boneage.needs import import_keras_quietly
from boneage.paths import assets

if TYPE_CHECKING:
    from boneage.learn.frozen import FrozenBackbone


def open_saved(weights: Path, graph: Path) -> GraphBackbone | FrozenBackbone:
    """Open a backbone from its weights file and, where there is one, its graph.

    Bundles of before graphs travelled along have none. Where they hold a handnet of today's layout, the graph that
    ships with the package fits; any other opens by Keras until `boneage registry convert` gives it a graph.

    Raises:
        BackboneError: when a file is damaged, or the two do not fit each other.
        MissingPartError: when Keras is needed and not installed.
    """
    if graph.is_file():
        return GraphBackbone(weights, graph)
    if _is_shipped_layout(weights):
        return GraphBackbone(weights, handnet.graph_path())
    import_keras_quietly()
    from boneage.learn.frozen import FrozenBackbone

    return FrozenBackbone.load(weights)


def _is_shipped_layout(weights: Path) -> bool:
    """Tell whether a file holds exactly the arrays that the shipped handnet has."""
    return bool(names := _names(weights)) and names == _names(assets() / "handnet.npz")


def _names(path: Path) -> frozenset[str]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return frozenset(name for name in stored.files if not name.startswith("head_"))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return frozenset()
