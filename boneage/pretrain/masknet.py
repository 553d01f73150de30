"""Define the mask network in PyTorch, a small U-Net with additive skips and sub-pixel output, and export it as ONNX."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

WIDTHS = (16, 24, 48, 72, 92, 112)
SMALLEST_HALVED = 64


def conv(inputs: int, outputs: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    """Build convolution, batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class MaskNet(nn.Module):
    """Film to masks: (N, 1, S, S) of -1..1 to logits (N, outputs, S, S), hand alone by default; S a multiple of 64."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS, outputs: int = 1) -> None:
        super().__init__()
        self.stem = conv(1, widths[0], 2)
        self.down = nn.ModuleList(
            nn.Sequential(conv(a, b, 1 if k == 0 else 2), conv(b, b)) for k, (a, b) in enumerate(pairwise(widths))
        )
        self.across = conv(widths[-1], widths[-1])
        self.lift = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths[1:]))
        self.up = nn.ModuleList(conv(a, a) for a in widths[1:-1])
        self.fine = nn.Sequential(nn.Conv2d(widths[1] + widths[0], 4 * outputs, 3, 1, 1), nn.PixelShuffle(2))

    def forward(self, film: Tensor) -> Tensor:
        """Return the logits."""
        stem = self.stem(film)
        x, skips = stem, []
        for stage in self.down:
            x = stage(x)
            skips.append(x)
        x = self.across(x)
        for k in reversed(range(len(self.up))):
            x = nn.functional.interpolate(self.lift[k](x), scale_factor=2.0, mode="nearest")
            x = self.up[k](x + skips[k])
        logits: Tensor = self.fine(torch.cat([x, stem], dim=1))
        return logits


def export_onnx(net: MaskNet, path: Path, side: int, output: str = "hand") -> None:
    """Write the network with a sigmoid as ONNX (opset 17): `film` (1, 1, side, side) to masks, 0-1; weights halved."""
    whole = nn.Sequential(net, nn.Sigmoid()).float().eval()
    example = torch.zeros(1, 1, side, side)
    # The exporter that PyTorch now prefers needs onnxscript; this network needs nothing that the older one lacks.
    torch.onnx.export(
        whole, (example,), str(path), opset_version=17, dynamo=False, input_names=["film"], output_names=[output]
    )
    store_half(path)


def store_half(path: Path) -> None:
    """Store an ONNX file's large weights as float16, cast to float32 when the network is opened.

    Half the size in the package and in every registered cascade; onnxruntime folds the casts away, so no speed is lost.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(path))
    graph, casts = model.graph, []
    for tensor in [each for each in graph.initializer if each.data_type == onnx.TensorProto.FLOAT]:
        values = numpy_helper.to_array(tensor)
        if values.size < SMALLEST_HALVED:
            continue
        name = f"{tensor.name}.half"
        casts.append(helper.make_node("Cast", [name], [tensor.name], to=onnx.TensorProto.FLOAT))
        graph.initializer.append(numpy_helper.from_array(values.astype("float16"), name))
        graph.initializer.remove(tensor)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
