"""Hundreds of damaged files of every form: each is read or refused in a sentence; none crashes, hangs or eats memory.

The files are made from a fixed seed, so that a failure can be repeated, and are read in a process of their own, so that
a crash of a decoder, its time and its memory can be seen.
"""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO

import cv2
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from boneage.data.archives import read_bytes
from boneage.paths import project_root

EACH = 16
MORE = {"jpeg-lossless.dcm": 120, "jpeg-12-bit.dcm": 120}  # GDCM, which reads these, ends the process on some headers
SECONDS, MEGABYTES = 5.0, 1000
READER = """
import json, resource, sys, time
from pathlib import Path
from boneage.data.images import read_radiograph
from boneage.data.radiograph import ImageError
results = {}
for file in sorted(Path(sys.argv[1]).iterdir()):
    print(file.name, file=sys.stderr, flush=True)
    start = time.process_time()
    try:
        pixels = read_radiograph(file).pixels
        outcome = "read" if pixels.dtype == "uint8" and pixels.ndim == 2 else "nonsense"
    except ImageError as error:
        outcome = "refused" if str(error).strip() and len(str(error)) < 600 else "no sentence"
    except BaseException as error:
        outcome = f"{type(error).__name__}: {error}"
    results[file.name] = [outcome, time.process_time() - start]
# Not ru_maxrss alone: on Linux it survives exec, so it would tell how large the test runner was.
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.is_file() else []
kilobytes = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
peak = (kilobytes or [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss])[0] / 1024
Path(sys.argv[2]).write_text(json.dumps({"results": results, "peak": peak}))
"""


def film() -> np.ndarray:
    """A smooth film with a little grain, uint8 (120, 96)."""
    y, x = np.mgrid[0:120, 0:96]
    values = 120 + 90 * np.sin(x / 9.0) * np.cos(y / 13.0)
    return np.clip(values + np.random.default_rng(1).normal(0, 6, values.shape), 0, 255).astype(np.uint8)


def picture(form: str, array: np.ndarray, **options: object) -> bytes:
    buffer = BytesIO()
    Image.fromarray(array).save(buffer, form, **options)
    return buffer.getvalue()


def dicom(values: np.ndarray, syntax: str, frame: bytes | None = None) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3.4"
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.Rows, data.Columns = values.shape
    data.SamplesPerPixel, data.PixelRepresentation, data.PhotometricInterpretation = 1, 0, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8 * values.itemsize
    data.HighBit = data.BitsStored - 1
    data.PatientSex, data.PatientAge = "F", "010Y"
    data.PixelData = values.tobytes() if frame is None else pydicom.encaps.encapsulate([frame])
    data["PixelData"].VR = "OB" if frame is not None or values.itemsize == 1 else "OW"
    if syntax == RLELossless:
        data.compress(RLELossless, generate_instance_uid=False)
    buffer = BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def whole_files() -> dict[str, bytes]:
    """One sound file of every form, small."""
    f, deep = film(), film().astype(np.uint16) * 257
    rgb = np.repeat(f[..., None], 3, axis=2)
    alpha = np.dstack([rgb, np.full_like(f, 200)])
    files = {
        "grey.png": picture("PNG", f),
        "deep.png": picture("PNG", deep),
        "rgb.png": picture("PNG", rgb),
        "alpha.png": picture("PNG", alpha),
        "deep-alpha.png": cv2.imencode(".png", alpha.astype(np.uint16) * 257)[1].tobytes(),
        "palette.png": picture("PNG", np.asarray(Image.fromarray(rgb).convert("P"))),
        "grey.jpg": picture("JPEG", f, quality=90),
        "progressive.jpg": picture("JPEG", rgb, progressive=True),
        "plain.tif": picture("TIFF", f),
        "deep.tif": picture("TIFF", deep),
        "lzw.tif": picture("TIFF", f, compression="tiff_lzw"),
        "deflate.tif": picture("TIFF", deep, compression="tiff_adobe_deflate"),
        "lossless.webp": picture("WEBP", rgb, lossless=True),
        "lossy.webp": picture("WEBP", rgb),
        "grey.bmp": picture("BMP", f),
        "rgb.bmp": picture("BMP", rgb),
        "grey.gif": picture("GIF", f),
        "grey.jp2": picture("JPEG2000", f),
        "explicit.dcm": dicom(f, ExplicitVRLittleEndian),
        "deep.dcm": dicom(deep, ExplicitVRLittleEndian),
        "implicit.dcm": dicom(deep, ImplicitVRLittleEndian),
        "rle.dcm": dicom(deep, RLELossless),
        "jpeg.dcm": dicom(f, JPEGBaseline8Bit, picture("JPEG", f)),
        "jpeg2000.dcm": dicom(f, JPEG2000Lossless, picture("JPEG2000", f, no_jp2=True)),
    }
    return files | compressed_by_others()


def compressed_by_others() -> dict[str, bytes]:
    """JPEG-LS, lossless and 12-bit JPEG, from pydicom's own files (nothing permissive here writes the last two)."""
    named = {
        "jpeg-lossless.dcm": ("SC_rgb_jpeg_gdcm.dcm", JPEGLosslessSV1),
        "jpeg-ls.dcm": ("MR_small_jpeg_ls_lossless.dcm", JPEGLSLossless),
        "jpeg-12-bit.dcm": ("JPGExtended.dcm", JPEGExtended12Bit),
    }
    files = {}
    for name, (theirs, syntax) in named.items():
        path = pydicom.data.get_testdata_file(theirs, download=False)
        assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == syntax
        files[name] = read_bytes(path)
    return files


def damage(content: bytes, rng: np.random.Generator, way: int) -> bytes:
    """Cut a file off, flip bits anywhere or in its header, or fill a stretch with noise.

    The header is that of the file, or where a JPEG frame lies inside, that of the frame.
    """
    broken = bytearray(content)
    if way == 0:
        return bytes(broken[: int(rng.integers(1, len(broken)))])
    if way == 3:
        start, length = int(rng.integers(len(broken))), int(rng.integers(1, 200))
        noise = rng.integers(0, 256, len(broken[start : start + length]), dtype=np.uint8)
        broken[start : start + len(noise)] = noise.tobytes()
        return bytes(broken)
    first, last = 0, len(broken)
    if way == 2:
        first = max(0, content.find(b"\xff\xd8\xff")) if rng.random() < 0.5 else 0
        last = min(len(broken), first + 400)
    for place in rng.integers(first, last, int(rng.integers(1, 12))):
        broken[place] ^= 1 << int(rng.integers(8))
    return bytes(broken)


@pytest.mark.slow
def test_no_damaged_file_crashes_hangs_or_eats_memory(tmp_path):
    rng = np.random.default_rng(2024)
    folder = tmp_path / "damaged"
    folder.mkdir()
    for name, content in whole_files().items():
        (folder / f"whole-{name}").write_bytes(content)
        for number in range(MORE.get(name, EACH)):
            (folder / f"{number:03d}-{name}").write_bytes(damage(content, rng, number % 4))
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READER, str(folder), str(report)],
        cwd=project_root(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"the reader died ({done.returncode}) at {done.stderr.splitlines()[-1:]}"
    content = json.loads(report.read_text())
    results = content["results"]
    assert len(results) - sum(name.startswith("whole-") for name in results) >= 300
    assert {outcome for outcome, _ in results.values()} <= {"read", "refused"}, results
    assert all(outcome == "read" for name, (outcome, _) in results.items() if name.startswith("whole-")), results
    assert sum(outcome == "refused" for outcome, _ in results.values()) > 100
    assert max(seconds for _, seconds in results.values()) < SECONDS
    assert content["peak"] < MEGABYTES
