"""Write a frozen backbone of the table as an ONNX graph without weights.

The graph declares every array of the backbone's own weights file as an external initializer, so the weights lie once
on the disk: whoever opens the graph hands the arrays of that file to ONNX Runtime (`boneage.learn.graph_backbone`).
A graph is some tens of kilobytes, whatever the network's size, and the two-gigabyte limit of an ONNX file is never met.

Only the layers of the backbones in `boneage.learn.backbone_table` are known; any other is refused by name. Needs the
package `onnx`, which comes with the extra `train`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from boneage.files import write_whole
from boneage.learn.backbone_table import BackboneError
from boneage.learn.graph_backbone import META_ARRAYS, META_FEATURES, META_IDENTITY
from boneage.needs import needed

if TYPE_CHECKING:
    import keras

_OPSET = 17
_IR_VERSION = 9
_ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid"}
Emit = Callable[["Graph", Any, Any], str]


class Exportable(Protocol):
    """A backbone in Keras, as `boneage.learn.frozen.FrozenBackbone`."""

    model: keras.Model
    batch_size: int
    features: int

    @property
    def name(self) -> str:
        """Return the network's name in the table."""

    @property
    def input_size(self) -> int:
        """Return the side of the network's input in pixels."""

    def array_names(self) -> list[str]:
        """Return what the arrays are called in the weights file, in the order of `model.weights`."""


def write_graph(backbone: Exportable, path: Path) -> Path:
    """Write the graph of a backbone: uint8 (N, s, s) to `pooled`, float32 (N, C), and `maps`, float32 (N, h, w, C).

    Raises:
        BackboneError: when the network has a layer that is not known here.
        MissingPartError: when the package `onnx` is not installed.
    """
    onnx = needed("onnx", "export a network for serving")
    names = backbone.array_names()
    graph = Graph({id(variable): name for variable, name in zip(backbone.model.weights, names, strict=True)})
    size = backbone.input_size
    image = graph.add("Unsqueeze", ["image", graph.integers([1])])
    hand = graph.add("Cast", [image], to=onnx.TensorProto.FLOAT)
    last = graph.through(backbone.model, hand)
    graph.add("ReduceMean", [last], output="pooled", axes=[2, 3], keepdims=0)
    graph.add("Transpose", [last], output="maps", perm=[0, 2, 3, 1])
    outputs = {"pooled": ["N", backbone.features], "maps": ["N", *backbone.model.output_shape[1:]]}
    weights = {name: one for name, one in zip(names, backbone.model.weights, strict=True) if _floats(one)}
    identity = {"name": backbone.name, "input_size": size, "batch_size": backbone.batch_size}
    facts = {META_IDENTITY: identity, META_ARRAYS: names, META_FEATURES: backbone.features}
    return write_whole(path, finished(graph, backbone.name, {"image": ["N", size, size]}, outputs, weights, facts))


def finished(
    graph: Graph,
    name: str,
    inputs: Mapping[str, list[Any]],
    outputs: Mapping[str, list[Any]],
    arrays: Mapping[str, Any],
    facts: Mapping[str, Any] | None = None,
) -> bytes:
    """Return the bytes of a graph whose nodes are all there; `image` is uint8, everything else float32.

    Args:
        graph: with its nodes.
        name: what it is called.
        inputs: name -> shape.
        outputs: likewise.
        arrays: the arrays that are handed over when it is opened, by the names that its nodes use.
        facts: what it says of itself, as JSON.

    Raises:
        MissingPartError: when the package `onnx` is not installed.
    """
    onnx = needed("onnx", "export a network for serving")
    types = onnx.TensorProto

    def value(name: str, shape: list[Any]) -> Any:
        return onnx.helper.make_tensor_value_info(name, types.UINT8 if name == "image" else types.FLOAT, shape)

    given, made = ([value(*one) for one in each.items()] for each in (inputs, outputs))
    declared = [_external(array, values) for array, values in arrays.items()]
    whole = onnx.helper.make_graph(graph.nodes, name, given, made, [*declared, *graph.constants])
    model = onnx.helper.make_model(
        whole, opset_imports=[onnx.helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION, producer_name="boneage"
    )
    onnx.helper.set_model_props(model, {fact: json.dumps(said) for fact, said in (facts or {}).items()})
    return bytes(model.SerializeToString(deterministic=True))


def _floats(variable: Any) -> bool:
    return np.dtype(variable.dtype).kind == "f"


def _external(name: str, variable: Any) -> Any:
    """Declare an array whose values are handed over when the graph is opened."""
    import onnx

    tensor = onnx.TensorProto(name=name, dims=variable.shape, data_location=onnx.TensorProto.EXTERNAL)
    tensor.data_type = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(variable.dtype))
    tensor.external_data.add(key="location", value="weights")
    return tensor


class Graph:
    """Nodes and constants as they are added; tensors are named, images lie as (N, C, h, w)."""

    def __init__(self, arrays: dict[int, str]) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._arrays = arrays

    def add(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        import onnx

        output = output or f"t{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, values: np.ndarray) -> str:
        """Add an array that is part of the graph."""
        import onnx

        name = f"c{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def integers(self, values: Sequence[int]) -> str:
        """Add a shape or a list of axes."""
        return self.constant(np.asarray(values, np.int64))

    def floats(self, values: Any) -> str:
        """Add a number, or one number per channel."""
        array = np.asarray(values, np.float32)
        return self.constant(array.reshape(1, -1, 1, 1) if array.ndim else array)

    def array(self, variable: Any) -> str:
        """Return the name of one of the weights file's arrays."""
        return self._arrays[id(variable)]

    def through(self, model: keras.Model, value: str) -> str:
        """Add all layers of a functional model; return the name of its output."""
        return str(model._run_through_graph(value, lambda layer: lambda *given, **_: self.layer(layer, given[0])))

    def layer(self, layer: Any, given: Any) -> str:
        """Add one layer; `given` is the name of its input, or the names of several."""
        import keras

        if isinstance(layer, keras.Model):
            return self.through(layer, given)
        emit = _LAYERS.get(type(layer).__name__)
        if emit is None:
            raise BackboneError.of("graph.layer", layer=layer.name, kind=type(layer).__name__, known=", ".join(_LAYERS))
        return emit(self, layer, given)

    def activated(self, value: str, function: Any) -> str:
        """Add an activation by the name of its Keras function."""
        name = function.__name__
        if name == "linear":
            return value
        if name in {"silu", "swish"}:
            return self.add("Mul", [value, self.add("Sigmoid", [value])])
        if name == "relu6":
            return self.add("Clip", [value, self.floats(0.0), self.floats(6.0)])
        if name not in _ACTIVATIONS:
            raise BackboneError.of("graph.activation", name=name)
        return self.add(_ACTIVATIONS[name], [value])


def _same(graph: Graph, layer: Any, given: str) -> str:
    return given


def _merge(kind: str) -> Emit:
    def emit(graph: Graph, layer: Any, given: Any) -> str:
        value, *others = given
        for other in others:
            value = graph.add(kind, [value, other])
        return str(value)

    return emit


def _concatenate(graph: Graph, layer: Any, given: Any) -> str:
    return graph.add("Concat", list(given), axis=1)


def _rescaling(graph: Graph, layer: Any, given: str) -> str:
    scaled = graph.add("Mul", [given, graph.floats(layer.scale)])
    return graph.add("Add", [scaled, graph.floats(layer.offset)])


def _normalization(graph: Graph, layer: Any, given: str) -> str:
    import keras

    if layer.input_mean is None:
        shape = graph.integers([1, -1, 1, 1])
        mean, variance = (
            graph.add("Reshape", [graph.array(w), shape]) for w in (layer.adapt_mean, layer.adapt_variance)
        )
    else:
        mean, variance = graph.floats(layer.input_mean), graph.floats(layer.input_variance)
    deviation = graph.add("Max", [graph.add("Sqrt", [variance]), graph.floats(keras.config.epsilon())])
    return graph.add("Div", [graph.add("Sub", [given, mean]), deviation])


def _padding(graph: Graph, layer: Any, given: str) -> str:
    (top, bottom), (left, right) = layer.padding
    return graph.add("Pad", [given, graph.integers([0, 0, top, left, 0, 0, bottom, right])])


def _window(layer: Any) -> dict[str, Any]:
    return {"strides": list(layer.strides), "auto_pad": "SAME_UPPER" if layer.padding == "same" else "VALID"}


def _convolution(graph: Graph, layer: Any, given: str) -> str:
    # Keras keeps (h, w, in, out), and per channel (h, w, channels, 1).
    deep = type(layer).__name__ == "DepthwiseConv2D"
    if (deep and layer.depth_multiplier != 1) or (not deep and layer.groups != 1) or set(layer.dilation_rate) != {1}:
        raise BackboneError.of("graph.groups", layer=layer.name)
    kernel = graph.add("Transpose", [graph.array(layer.kernel)], perm=[2, 3, 0, 1] if deep else [3, 2, 0, 1])
    inputs = [given, kernel, *([graph.array(layer.bias)] if layer.use_bias else [])]
    sides, group = list(layer.kernel_size), layer.kernel.shape[2] if deep else 1
    value = graph.add("Conv", inputs, kernel_shape=sides, group=group, **_window(layer))
    return graph.activated(value, layer.activation)


def _dense(graph: Graph, layer: Any, given: str) -> str:
    # On one value per channel (N, C, 1, 1) a Dense layer is a convolution of one pixel.
    kernel = graph.add("Transpose", [graph.array(layer.kernel)], perm=[1, 0])
    kernel = graph.add("Reshape", [kernel, graph.integers([*reversed(layer.kernel.shape), 1, 1])])
    inputs = [given, kernel, *([graph.array(layer.bias)] if layer.use_bias else [])]
    return graph.activated(graph.add("Conv", inputs, kernel_shape=[1, 1]), layer.activation)


def _batch_normalization(graph: Graph, layer: Any, given: str) -> str:
    channels = layer.moving_mean.shape[0]
    scale = graph.array(layer.gamma) if layer.scale else graph.constant(np.ones(channels, np.float32))
    centre = graph.array(layer.beta) if layer.center else graph.constant(np.zeros(channels, np.float32))
    moving = [graph.array(layer.moving_mean), graph.array(layer.moving_variance)]
    return graph.add("BatchNormalization", [given, scale, centre, *moving], epsilon=float(layer.epsilon))


def _activation(graph: Graph, layer: Any, given: str) -> str:
    return graph.activated(given, layer.activation)


def _relu(graph: Graph, layer: Any, given: str) -> str:
    if layer.negative_slope or layer.threshold:
        raise BackboneError.of("graph.relu", layer=layer.name)
    if layer.max_value is not None:
        return graph.add("Clip", [given, graph.floats(0.0), graph.floats(layer.max_value)])
    return graph.add("Relu", [given])


def _mean(graph: Graph, layer: Any, given: str) -> str:
    # One value per channel stays (N, C, 1, 1), so the Reshape that follows in EfficientNet has nothing to do.
    return graph.add("GlobalAveragePool", [given])


def _pool(kind: str) -> Emit:
    def emit(graph: Graph, layer: Any, given: Any) -> str:
        return graph.add(kind, [given], kernel_shape=list(layer.pool_size), **_window(layer))

    return emit


_LAYERS: dict[str, Emit] = {
    "Activation": _activation,
    "Add": _merge("Add"),
    "AveragePooling2D": _pool("AveragePool"),
    "BatchNormalization": _batch_normalization,
    "Concatenate": _concatenate,
    "Conv2D": _convolution,
    "Dense": _dense,
    "DepthwiseConv2D": _convolution,
    "Dropout": _same,
    "GlobalAveragePooling2D": _mean,
    "MaxPooling2D": _pool("MaxPool"),
    "Multiply": _merge("Mul"),
    "Normalization": _normalization,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _same,
    "ZeroPadding2D": _padding,
}
