"""One property over all forms: the pixels agree with the PNG within 2 levels, or a sentence names the cause."""

from __future__ import annotations

import numpy as np
import pytest

from boneage.data.images import read_image, read_radiograph
from boneage.data.radiograph import ImageError
from tests import forms

READABLE = forms.readable()
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def film() -> np.ndarray:
    """A smooth film, uint8 (96, 64), that uses the whole range."""
    y, x = np.mgrid[0:96, 0:64]
    values = np.sin(x / 11.0) * np.cos(y / 15.0)
    return np.rint(255 * (values - values.min()) / np.ptp(values)).astype(np.uint8)


def test_there_are_about_a_hundred_forms():
    assert len(READABLE) + len(forms.REFUSED) >= 100


@pytest.mark.parametrize("form", READABLE)
def test_every_form_is_the_film_of_the_png(form, film):
    make, word = READABLE[form]
    read = read_radiograph(make(film))
    assert read.pixels.shape == film.shape
    assert np.abs(read.pixels.astype(int) - film).max() <= 2
    assert bool(word) == bool(read.warnings) and all(word in said for said in read.warnings[:1])


@pytest.mark.parametrize("form", forms.REFUSED)
def test_every_other_form_is_refused_for_its_own_cause(form, film):
    make, words = forms.REFUSED[form]
    with pytest.raises(ImageError, match=words) as refused:
        read_radiograph(make(film), name="film")
    assert str(refused.value).startswith("film") and "\n" not in str(refused.value)


@pytest.mark.parametrize(("dtype", "value"), [(np.uint16, 65535), (np.uint16, 0), (np.int16, -32768)])
@pytest.mark.parametrize("said", [True, False])
def test_padding_is_no_part_of_the_range(dtype, value, said, film):
    """Said by PixelPaddingValue it is shown black; unsaid it does not take the film's contrast away."""
    values = (film.astype(np.int32) * 4 + 3000).astype(dtype)
    values[:, :20] = value
    read = read_image(forms.dicom(values, **({"PixelPaddingValue": value} if said else {})))
    inside = read[:, 20:].astype(int)
    reference = read_image(forms.dicom((film.astype(np.int32) * 4 + 3000).astype(dtype)))[:, 20:]
    assert np.abs(inside - reference).max() <= 4
    assert not said or not read[:, :20].any()


def test_padding_of_an_inverted_film_is_black_and_padding_everywhere_is_none(film):
    inverse = forms.deep(255 - film)
    inverse[:, :20] = 0
    elements = {"BitsStored": 12, "PhotometricInterpretation": "MONOCHROME1", "PixelPaddingValue": 0}
    read = read_image(forms.dicom(inverse, **elements))
    assert not read[:, :20].any() and np.abs(read[:, 20:].astype(int) - film[:, 20:]).max() <= 2
    flat = np.full_like(inverse, 7)
    flat[40] = inverse[40]
    flat = read_radiograph(forms.dicom(flat, BitsStored=12, PixelPaddingValue=7))
    assert "PixelPaddingValue" in flat.warnings[0]


@pytest.mark.parametrize("name", ["two frames unsaid", "two jpeg frames unsaid", "two pages"])
def test_a_frame_is_chosen_by_its_number(name, film, tmp_path):
    path = tmp_path / "films"
    path.write_bytes(forms.REFUSED[name][0](film))
    assert np.abs(read_image(f"{path}#2").astype(int) - film).max() <= 2
    with pytest.raises(ImageError, match="number 3 was wanted"):
        read_image(f"{path}#3")


@pytest.mark.parametrize(
    ("elements", "months"),
    [
        ({"PatientBirthDate": "19000101", "StudyDate": "20200101"}, None),
        ({"PatientBirthDate": "19000101", "StudyDate": "20200101", "PatientAge": "010Y"}, 120),
        ({"PatientAge": "999Y"}, None),
    ],
)
def test_absurd_ages_are_dropped_and_said(elements, months, film):
    read = read_radiograph(forms.dicom(film, **elements))
    assert read.age_months == months and "years old" in read.warnings[0]


def test_a_photograph_is_warned_of(film):
    blue = np.dstack([film // 2, film // 2, film])
    assert "camera" in read_radiograph(forms.picture(blue, "PNG")).warnings[0]


ELEMENTS = (
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "NumberOfFrames", "WindowCenter", "WindowWidth", "VOILUTFunction",
    "RescaleSlope", "RescaleIntercept", "PixelPaddingValue", "PresentationLUTShape", "PatientAge", "PatientBirthDate",
    "PatientSex", "ImageLaterality", "VOILUTSequence", "ModalityLUTSequence",
)  # fmt: skip
ODD_VALUES = (
    b"", b"\0", b"\0\0", b"\xff\xff", b"\x03\0", b"\x40\0", b"word", b"-1", b"0", b"1e999 ", b"nan ", b"1\\2\\3 ",
    b"\x10\0\x20\0", b"\xfe\xff\x00\xe0\0\0\0\0", bytes(range(40)),
)  # fmt: skip
# Elements whose odd values may be true: another film, then, and no fault.
MAY_BE_TRUE = {"PixelPaddingValue", "WindowCenter"}


@pytest.mark.parametrize("keyword", ELEMENTS)
def test_an_element_of_odd_bytes_never_gives_another_film_in_silence(keyword, film):
    """Structured fuzzing: sound files but for one element, whose bytes no writer would write."""
    for value in ODD_VALUES:
        given = {"BitsStored": 12, "WindowCenter": 2048, "WindowWidth": 4096, "RescaleSlope": 1, "RescaleIntercept": 0}
        given.pop(keyword, None)
        data = forms.raw(forms.deep(film), keyword, value, **given)
        try:
            read = read_radiograph(data, name="film")
        except ImageError as error:
            assert str(error).startswith("film") and "\n" not in str(error)
            continue
        same = read.pixels.shape == film.shape and np.abs(read.pixels.astype(int) - film).max() <= 3
        assert same or read.warnings or keyword in MAY_BE_TRUE, value
