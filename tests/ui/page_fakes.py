"""A cascade that answers at once, a registry that is a list, and files to upload."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from boneage.cascade.cascade import Cascade, Estimate
from boneage.config import CascadeConfig, Config, PreprocessConfig
from boneage.data.flags import FlagStore
from boneage.errors import BoneageError
from boneage.gate.gate import Verdict
from boneage.groups import AGE_GROUPS, ALL_MODELS, Task
from boneage.hospital.deidentify import Cleaned, Text
from boneage.preprocess.pipeline import Preparer
from boneage.registry.champions import Tenure
from boneage.ui.catalogue import asked_heads
from boneage.ui.estimate.examples import Examples
from boneage.ui.page_services import PageServices
from boneage.ui.service import Answer, Listed, ModelService
from boneage.ui.visit_files import Downloads, Visits
from boneage.ui.visit_log import VisitLog

URI = "models:/boneage-cascade@champion"


class FixedBackbone:
    """Gives the mean grey level as the one feature."""

    def pooled(self, images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1).mean(axis=1, keepdims=True).astype(np.float32)

    def maps(self, images: np.ndarray) -> np.ndarray:
        return images[:, ::8, ::8, None].astype(np.float32)


class FixedHead:
    """Answers the same whatever it is shown."""

    def __init__(self, answer: np.ndarray) -> None:
        self.answer = answer

    def predict(self, features: np.ndarray) -> np.ndarray:
        return np.repeat(self.answer, len(features), axis=0)


class Refusing:
    """A gate that refuses everything but films whose first pixel is bright."""

    def inspect(self, film: np.ndarray, laterality: str | None = None) -> Verdict:
        reasons = () if film[0, 0] > 200 else ("no hand was found on the film",)
        return Verdict(film, reasons, (), "no_mask" if reasons else "usable", 0.0)


def fixed_cascade(
    version: str = "3", model: str = "boneage-cascade", background: str = "none", size: int = 64, gate: bool = False
) -> Cascade:
    """A real cascade around heads that answer the middle of group 2, or of whichever range is given."""
    heads: dict[Any, Any] = {}
    for key in ALL_MODELS:
        if key.task is Task.CLASSIFIER:
            heads[key] = FixedHead(np.array([[0.06, 0.72, 0.17, 0.05]]))
        else:
            group = AGE_GROUPS[(key.group or 1) - 1]
            heads[key] = FixedHead(np.array([(group.low + group.high) / 2 + 0.25 * (key.sex == "male")]))
    config = Config(preprocess=PreprocessConfig(background=background, size=size), cascade=CascadeConfig(gate=gate))
    cascade = Cascade(Preparer(config.preprocess), FixedBackbone(), heads, config)  # type: ignore[arg-type]
    cascade.gate = Refusing() if gate else None  # type: ignore[assignment]
    cascade.model, cascade.version = model, version
    return cascade


class FakeCatalogue:
    """Stands in for the registry; `versions` is what each URI means now, `fault` what asking for it raises."""

    def __init__(self, **versions: str) -> None:
        self.versions = versions or {URI: "3"}
        self.loads: list[tuple[str, str]] = []
        self.fault: Exception | None = None
        self.gate = False

    def version(self, uri: str) -> str:
        if self.fault is not None:
            raise self.fault
        if uri not in self.versions:
            raise BoneageError("no version of boneage-cascade is promoted yet: run `boneage registry promote`")
        return self.versions[uri]

    def load(self, uri: str) -> Cascade:
        self.loads.append((uri, self.versions[uri]))
        return fixed_cascade(self.versions[uri], uri[8:].split("@")[0], gate=self.gate)

    def table(self) -> list[Listed]:
        found: dict[tuple[str, str], list[str]] = {}
        for uri, version in self.versions.items():
            name, alias = uri[8:].split("@")
            found.setdefault((name, version), []).append(alias)
        return [
            Listed(
                model=name,
                version=version,
                aliases=tuple(sorted(aliases)),
                status="passed",
                mae_months=8.25,
                created="2024-11-23T06:00:00+00:00",
                run_id="0123456789abcdef",
                card=f"# Card of version {version}",
                page="#/experiments/1/runs/0123456789abcdef",
                figures={"mae_months": 8.25, "within_12_months": 0.75, "images": 192.0},
            )
            for (name, version), aliases in found.items()
        ]

    def history(self, model: str) -> list[Tenure]:
        return [
            Tenure(2, "2026-01-01T08:00:00+00:00", "2026-02-01T08:00:00+00:00", "Ana", figures={"mae_months": 9.5}),
            Tenure(3, "2026-02-01T08:00:00+00:00", "", "<Rui>", "forced", "the new scanner needs it"),
        ]

    def answered(self, cascade: Cascade, estimate: Estimate) -> tuple[Answer, ...]:
        page = "#/experiments/1/runs/0123456789abcdef"
        aliases = {one.version: one.aliases for one in self.table() if one.model == cascade.model}
        heads = [
            Answer(str(key.task), f"boneage-{key.name}", cascade.version, (), page)
            for key in asked_heads(cascade, estimate)
        ]
        return (Answer("cascade", cascade.model, cascade.version, aliases.get(cascade.version, ()), page), *heads)


def no_text(film: np.ndarray) -> Cleaned:
    """Stands in for the search for burned-in text, which takes a second a film."""
    return Cleaned(film, (), np.zeros(film.shape, bool), 0)


def text_in_the_corner(film: np.ndarray) -> Cleaned:
    """Finds one text, of 20 rows and 60 columns at the upper left."""
    corners = np.array([[0, 0], [60, 0], [60, 20], [0, 20]], np.float32)
    removed = np.zeros(film.shape, bool)
    removed[:20, :60] = True
    return Cleaned(np.where(removed, 0, film).astype(np.uint8), (Text(corners, "MUSTER", False),), removed, 0)


def hand_pixels(height: int = 320, width: int = 240) -> np.ndarray:
    """Something like a hand: a bright ellipse and five strokes, uint8 (H, W)."""
    image = np.full((height, width), 18, np.uint8)
    cv2.ellipse(image, (width // 2, height * 2 // 3), (width // 4, height // 5), 0, 0, 360, 150, -1)
    for finger in range(5):
        tip = (width // 6 + finger * width // 6, height // 6)
        cv2.line(image, (width // 2, height * 2 // 3), tip, 190, max(2, width // 18))
    image[0, :8] = range(14, 22)  # a film has more than a few grey levels
    return image


def write_png(path: Path, pixels: np.ndarray) -> Path:
    cv2.imwrite(str(path), pixels)
    return path


def write_dicom(path: Path, pixels: np.ndarray, sex: str = "F", age: str = "010Y") -> Path:
    """A minimal 12-bit DICOM film."""
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    film.PatientSex, film.PatientAge, film.PatientName = sex, age, "Nobody^Known"
    film.Rows, film.Columns = pixels.shape
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, 12, 11, 0
    film.PixelData = (pixels.astype(np.uint16) * 16).tobytes()
    pydicom.dcmwrite(str(path), film, enforce_file_format=True)
    return path


@dataclass
class Running:
    """A page that is up, and what is behind it."""

    url: str
    services: PageServices
    catalogue: FakeCatalogue
    cache: Path


@contextmanager
def serving(folder: Path, root_path: str = "") -> Iterator[Running]:
    """Serve the page on a free port, for a proxy under a path where one is given."""
    from boneage.ui.launch import LaunchOptions, launch
    from boneage.ui.page import build_page

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "cache"))
        patch.setattr("boneage.ui.flags.texts.look", no_text)
        catalogue = FakeCatalogue()
        visits = Visits(folder)
        services = PageServices(
            ModelService(catalogue, URI, every_seconds=0.5, log=VisitLog(folder / "counts")),
            FlagStore(folder / "flagged"),
            Examples(folder / "examples"),
            Downloads(folder / "cache", visits),
            visits,
            "http://127.0.0.1:5000",
        )
        services.examples.folder.mkdir()
        write_png(services.examples.all()[1].file, hand_pixels())
        page = build_page(services)
        services.service.start()
        url = launch(page, LaunchOptions(port=0, root_path=root_path), services.examples.folder, services.flags.folder)
        try:
            yield Running(url, services, catalogue, folder / "cache")
        finally:
            services.service.stop()
            page.close(verbose=False)
