"""Facts about DICOM: the right way round, windowed, and of the patient only what an estimate needs."""

from __future__ import annotations

import base64
import os
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    RLELossless,
)

from boneage.data import jpegframe
from boneage.data.images import read_image, read_radiograph
from boneage.data.radiograph import ImageError
from boneage.groups import Sex
from boneage.paths import project_root

SHARED = Path(os.environ.get("BONEAGE_SHARED_DATA", project_root().parent / "shared" / "data"))


@pytest.fixture(scope="module")
def film() -> np.ndarray:
    """A ramp, uint8 (64, 48), 0-255."""
    return np.linspace(0, 255, 64 * 48).reshape(64, 48).round().astype(np.uint8)


def dicom(values: np.ndarray, syntax: str = ExplicitVRLittleEndian, **elements: object) -> bytes:
    """A DICOM file of these stored values, uint8 or uint16 (H, W) or (F, H, W)."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    little = syntax != ExplicitVRBigEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128, is_little_endian=little)
    data.Rows, data.Columns = values.shape[-2:]
    if values.ndim == 3:
        data.NumberOfFrames = len(values)
    data.SamplesPerPixel, data.PixelRepresentation = 1, 0
    data.PhotometricInterpretation = "MONOCHROME2"
    data.BitsAllocated = values.dtype.itemsize * 8
    data.BitsStored, data.HighBit = data.BitsAllocated, data.BitsAllocated - 1
    data.PixelData = (values if little else values.byteswap()).tobytes()
    data["PixelData"].VR = "OB" if values.dtype == np.uint8 else "OW"
    for name, value in elements.items():
        setattr(data, name, value)
    if "BitsStored" in elements:
        data.HighBit = data.BitsStored - 1
    if syntax == RLELossless:
        data.compress(RLELossless, generate_instance_uid=False)
    buffer = BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def compressed(values: np.ndarray, syntax: str) -> bytes:
    """A DICOM file that pydicom's encoders compressed."""
    data = pydicom.dcmread(BytesIO(dicom(values)))
    data.compress(syntax, generate_instance_uid=False)
    buffer = BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def framed(values: np.ndarray, syntax: str, form: str, **options: object) -> bytes:
    """A DICOM file around a picture that Pillow compressed; an unknown syntax around no picture for form ""."""
    frame = BytesIO(b"" if form else b"no picture at all")
    if form:
        Image.fromarray(values).save(frame, form, **options)
    data = pydicom.dcmread(BytesIO(dicom(values)))
    data.PixelData = pydicom.encaps.encapsulate([frame.getvalue()])
    data["PixelData"].VR = "OB"
    data.file_meta.TransferSyntaxUID = syntax
    buffer = BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


TWELVE_BIT_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGB"
    "YUGBIUFRT/wQALDABAADABAREA/8QAFwABAQEBAAAAAAAAAAAAAAAABQYLDf/EADAQAAECAgYJBAIDAAAAAAAAAAECAwARBAUKGmFxBhITFjFR"
    "ZqPhFCEmMyOhIjSB/9oACAEBAAA/AOaB0ezdBukNKVovJKVAk+nxyinu3HS3Y8QzUlm6Bo7id1/5BUyPT4ZYQrR7N0G6Q0pWi8kpUCT6fHKKe7"
    "cdLdjxDNR2bsFhxG6xmFT+jmMsI0vLtx0t2PEVDNm72rSF7qy1kgy2HD9QtUdm7k66jdXikGew5f5jDF246W7HiKdizdl1htZ0WE1JBMmMMoVq"
    "OzdkPuI3WEimf0cjljGmJduOlux4ihq2zdFdBaJ0XmZEf1+RlyhWqrN5s6aj4wAFTSZscf1zlD9246W7HiKCq7N3r0Fv4xrETB/Bw98oVquzd6"
    "lOb+MaoMwfwcfbKNMu7cdLdjxDNR2bsFhxG6xmFT+jmMsIVYs3YafbWdFjJKgTJjHKKe7cdLdjxDNR2bsFhxG6xmFT+jmMsIVYs3YafbWdFjJK"
    "gTJjHKNM9izdl1htZ0WE1JBMmMMoVqOzdkPuI3WEimf0cjljDN246W7HiKdizdl1htZ0WE1JBMmMMoWqOzdkPuI3WEimf0cjljDF246W7HiNMu"
    "q7N3r0Fv4xrETB/Bw98oVquzd6lOb+MaoMwfwcfbKKC7cdLdjxFBVVm82lCR8YJKZpM2OH65ShSrbN0EU5onReQmR/X5iXKKK7cdLdjxGmHUdm"
    "7BYcRusZhU/o5jLCFWLN2Gn21nRYySoEyYxyiou3HS3Y8QxUdm7m06jdXgoGew5/5hCrNm72TqF7qz1VAy2HH9RUXbjpbseI0vajs3ZD7iN1hI"
    "pn9HI5YwxduOlux4ino9m6LlHaUrRealJBJ9PhlCtSWboikOJ3X/iUzI9PjljDV246W7HiKaj2bouUdpStF5qUkEn0+GUf/9k="
)  # the ramp of `film`, 0-4080, as libjpeg-turbo 3 (imagecodecs) compressed it at quality 90


def extended(frame: bytes = TWELVE_BIT_JPEG, **elements: object) -> bytes:
    """A DICOM file around a lossy JPEG of 12 bits and 64 x 48 pixels."""
    data = pydicom.dcmread(BytesIO(dicom(np.zeros((64, 48), np.uint16), BitsStored=12, **elements)))
    data.PixelData = pydicom.encaps.encapsulate([frame])
    data["PixelData"].VR = "OB"
    data.file_meta.TransferSyntaxUID = JPEGExtended12Bit
    buffer = BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


FORMS = {
    "8 bit": lambda f: dicom(f),
    "16 bit": lambda f: dicom(f.astype(np.uint16) * 257),
    **{
        f"{bits} of 16 bit": lambda f, bits=bits: dicom(f.astype(np.uint16) << (bits - 8), BitsStored=bits)
        for bits in range(9, 16)
    },
    "signed": lambda f: dicom(
        (f.astype(np.int16) - 128).view(np.uint16), PixelRepresentation=1, WindowCenter=0, WindowWidth=256
    ),
    "implicit VR": lambda f: dicom(f, ImplicitVRLittleEndian),
    "deflated": lambda f: dicom(f, DeflatedExplicitVRLittleEndian),
    "RLE": lambda f: dicom(f.astype(np.uint16) * 257, RLELossless),
    "JPEG-LS": lambda f: compressed(f.astype(np.uint16) * 257, JPEGLSLossless),
    "JPEG 2000": lambda f: framed(f, JPEG2000Lossless, "JPEG2000", no_jp2=True),
    "JPEG 2000, 16 bit": lambda f: framed(f.astype(np.uint16) * 257, JPEG2000Lossless, "JPEG2000", no_jp2=True),
    "JPEG baseline": lambda f: framed(f, JPEGBaseline8Bit, "JPEG", quality=100),
    "JPEG extended": lambda f: framed(f, JPEGExtended12Bit, "JPEG", quality=100),
    "JPEG extended, 12 bit": lambda f: extended(),
    "big endian": lambda f: dicom(f.astype(np.uint16) * 257, ExplicitVRBigEndian),
    "palette": lambda f: palette(f),
    "MONOCHROME1": lambda f: dicom(255 - f, PhotometricInterpretation="MONOCHROME1"),
    "12-bit MONOCHROME1": lambda f: dicom(
        4095 - (f.astype(np.uint16) << 4), BitsStored=12, PhotometricInterpretation="MONOCHROME1"
    ),
    "window": lambda f: dicom(f.astype(np.uint16) + 1000, WindowCenter=1128, WindowWidth=256),
    "exact window": lambda f: dicom(
        f.astype(np.uint16) + 1000, WindowCenter=1127.5, WindowWidth=255, VOILUTFunction="LINEAR_EXACT"
    ),
    "rescale and window": lambda f: dicom(
        f.astype(np.uint16) * 2, RescaleSlope=0.5, RescaleIntercept=-100, WindowCenter=28, WindowWidth=256
    ),
    "two windows": lambda f: dicom(f, WindowCenter=[128, 40], WindowWidth=[256, 80]),
    "without preamble": lambda f: dicom(f, ImplicitVRLittleEndian, SpecificCharacterSet="ISO_IR 100")[132:],
}


def palette(film: np.ndarray) -> bytes:
    """A DICOM file whose values point into a grey palette, here an inverted one."""
    entries = (np.arange(255, -1, -1, dtype=np.uint16) * 257).tobytes()
    tables = {f"{name}PaletteColorLookupTableData": entries for name in ("Red", "Green", "Blue")}
    tables |= {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in ("Red", "Green", "Blue")}
    return dicom(255 - film, PhotometricInterpretation="PALETTE COLOR", **tables)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_film(form, film):
    read = read_image(FORMS[form](film))
    assert read.dtype == np.uint8
    assert np.abs(read.astype(int) - film).max() <= 2


def test_a_voi_lut_is_applied(film):
    table = pydicom.Dataset()
    table.LUTDescriptor = [256, 0, 16]
    table.LUTData = (np.arange(255, -1, -1, dtype=np.uint16) * 257).tobytes()
    read = read_image(dicom(film, VOILUTSequence=[table]))
    assert np.abs(read.astype(int) - (255 - film)).max() <= 1


def test_a_window_that_shows_nothing_is_replaced_and_said_so(film):
    radiograph = read_radiograph(dicom(film, WindowCenter=90000, WindowWidth=10))
    assert np.ptp(radiograph.pixels) > 200
    assert "window shows nothing" in radiograph.warnings[0]


@pytest.mark.parametrize(
    ("elements", "months"),
    [
        ({"PatientAge": "012Y"}, 144.0),
        ({"PatientAge": "030M"}, 30.0),
        ({"PatientAge": "026W"}, 6.0),
        ({"PatientAge": "365D"}, 12.0),
        ({"PatientBirthDate": "20100115", "AcquisitionDate": "20200115"}, 120.0),
        ({"PatientBirthDate": "20100115", "StudyDate": "20200115", "PatientAge": "099Y"}, 120.0),
        ({"PatientBirthDate": "20300115", "StudyDate": "20200115"}, None),
        ({"PatientAge": "unknown"}, None),
        ({}, None),
    ],
)
def test_age_at_acquisition_is_read(elements, months, film):
    age = read_radiograph(dicom(film, **elements)).age_months
    assert age is None if months is None else age == pytest.approx(months, abs=0.1)


def test_how_coarsely_an_age_is_stated_is_known(film):
    dates = {"PatientBirthDate": "20100115", "AcquisitionDate": "20200115"}
    steps = [read_radiograph(dicom(film, **e)).age_step_months for e in ({"PatientAge": "010Y"}, dates, {})]
    assert steps == [12, 0, 0]


def test_sex_and_side_are_read_and_nothing_else_of_the_patient(film):
    data = dicom(film, PatientSex="F", ImageLaterality="L", PatientName="Doe^Jane", PatientID="12345")
    radiograph = read_radiograph(data)
    assert (radiograph.sex, radiograph.laterality) == (Sex.FEMALE, "L")
    assert "Doe" not in repr(radiograph)
    assert "12345" not in repr(radiograph)


@pytest.mark.parametrize("sex", ["O", "", "?"])
def test_another_sex_is_no_default(sex, film):
    assert read_radiograph(dicom(film, PatientSex=sex)).sex is None


def test_dicom_is_told_by_content_not_by_name(tmp_path, film):
    path = tmp_path / "film.png"
    path.write_bytes(dicom(film))
    np.testing.assert_array_equal(read_image(path), film)


def unsupported(film: np.ndarray) -> bytes:
    data = pydicom.dcmread(BytesIO(dicom(film)))
    data.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xf7" + b"0" * 60])
    data["PixelData"].VR = "OB"
    data.file_meta.TransferSyntaxUID = JPEGLSLossless
    buffer = BytesIO()
    data.save_as(buffer)
    return buffer.getvalue()


REFUSED = {
    "several frames": (lambda f: dicom(np.stack([f, f])), "2 frames"),
    "a damaged compression": (unsupported, "JPEG-LS"),
    "an unsupported compression": (lambda f: framed(f, HTJ2KLossless, ""), "High-Throughput JPEG 2000"),
    "12 bits in a frame of another size": (lambda f: extended(Rows=60), "JPEG Extended"),
    "12 bits without an end": (lambda f: extended(TWELVE_BIT_JPEG[:-40]), "JPEG Extended"),
    "12 bits with a damaged header": (
        lambda f: extended(TWELVE_BIT_JPEG.replace(b"\xff\xdb", b"\xff\xe5\xff")),
        "JPEG Extended",
    ),
    "12 bits, signed": (lambda f: extended(PixelRepresentation=1), "JPEG Extended"),
    "cut off": (lambda f: dicom(f)[:-500], "is cut off"),
    "cut off in its header": (lambda f: dicom(f)[:200], "DICOM"),
    "too large": (lambda f: dicom(f, Rows=20000, Columns=20000), "at most 64 million"),
    "too small": (lambda f: dicom(f[:4, :4].copy()), "at least 16"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_bad_dicom_is_refused_in_one_sentence(kind, film):
    make, words = REFUSED[kind]
    with pytest.raises(ImageError, match=words) as caught:
        read_image(make(film), name="film.dcm")
    assert str(caught.value).startswith("film.dcm")
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_dicom_is_read_or_refused_and_nothing_else(film):
    rng = np.random.default_rng(3)
    data = dicom(film, WindowCenter=128, WindowWidth=256, PatientAge="012Y")
    for _ in range(150):
        broken = bytearray(data)
        for place in rng.integers(0, 900, rng.integers(1, 6)):
            broken[place] ^= 1 << int(rng.integers(0, 8))
        try:
            assert read_image(bytes(broken)).dtype == np.uint8
        except ImageError as error:
            assert "\n" not in str(error)


@pytest.mark.skipif(not (SHARED / "not_hands").is_dir(), reason="../shared/data is not here")
def test_a_real_monochrome1_film_is_inverted_as_its_header_demands():
    path = SHARED / "not_hands" / "chest_monochrome1.dcm"
    radiograph = read_radiograph(path)
    assert radiograph.sex is Sex.MALE
    stored = pydicom.dcmread(path).pixel_array.astype(int)
    assert np.abs(radiograph.pixels.astype(int) - (255 - stored)).max() <= 1


NO_SINGLE_FILM = "without a picture|has [0-9]+ frames|at least 16 on each side|only 2 grey levels|Rows is missing"
DAMAGED = {"GDCMJ2K_TextGBR.dcm", "JPEG2000-embedded-sequence-delimiter.dcm", "MR_truncated.dcm", "badVR.dcm"}
BARE_BIG_ENDIAN = {"ExplVR_BigEndNoMeta.dcm", "no_meta.dcm"}  # without a file header nothing says what they are


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_all_of_pydicoms_own_films_are_read_and_everything_else_is_refused_in_a_sentence():
    read, refused = set(), {}
    for path in sorted((Path(pydicom.data.__file__).parent / "test_files").glob("*.dcm")):
        try:
            pixels = read_image(path)
        except ImageError as error:
            refused[path.name] = str(error)
            assert "\n" not in str(error)
            continue
        assert pixels.dtype == np.uint8 and pixels.ndim == 2 and np.ptp(pixels) > 50
        read.add(path.name)
    assert len(read) >= 40
    unexplained = {name for name, words in refused.items() if not re.search(NO_SINGLE_FILM, words)}
    assert unexplained <= DAMAGED | BARE_BIG_ENDIAN


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_lossy_jpeg_of_12_bits_is_decoded_quietly_and_as_pydicoms_tests_expect(capfd):
    dataset = pydicom.dcmread(pydicom.data.get_testdata_file("JPGExtended.dcm", download=False))
    values = jpegframe.decode_twelve_bit(dataset)
    assert (values.shape, values.dtype, values[420, 140], values[230, 120]) == ((1024, 256), np.uint16, 244, 95)
    assert capfd.readouterr().err == ""


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_same_scan_in_two_transfer_syntaxes_is_the_same_film():
    syntaxes = ("", "_RLE", "_bigendian", "_jpeg_ls_lossless", "_jp2klossless")
    plain, *others = (
        read_image(Path(pydicom.data.get_testdata_file(f"MR_small{syntax}.dcm", download=False))) for syntax in syntaxes
    )
    for other in others:
        np.testing.assert_array_equal(plain, other)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_lossless_jpeg_is_the_same_picture_as_the_uncompressed_one():
    """In files of pydicom's own: the same colour test image, as lossless JPEG and as RLE."""
    lossless, plain = (
        read_image(Path(pydicom.data.get_testdata_file(name, download=False)))
        for name in ("SC_rgb_jpeg_gdcm.dcm", "SC_rgb_rle.dcm")
    )
    np.testing.assert_array_equal(lossless, plain)
