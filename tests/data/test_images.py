"""Facts about reading pictures: every form comes out alike, and bad input is refused in one sentence."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from boneage.data.images import read_image, read_radiograph
from boneage.data.radiograph import MAX_PIXELS, ImageError, window


@pytest.fixture(scope="module")
def film() -> np.ndarray:
    """A smooth film, uint8 (96, 64), that uses the whole range."""
    y, x = np.mgrid[0:96, 0:64]
    values = 127.5 + 127.5 * np.sin(x / 9.0) * np.cos(y / 13.0)
    return np.rint(255 * (values - values.min()) / np.ptp(values)).astype(np.uint8)


def encode(picture: Image.Image, form: str, **options: object) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, format=form, **options)
    return buffer.getvalue()


def deep(film: np.ndarray) -> np.ndarray:
    return film.astype(np.uint16) * 257


def colour(film: np.ndarray) -> np.ndarray:
    return np.repeat(film[..., None], 3, axis=2)


def cv_encode(ending: str, array: np.ndarray) -> bytes:
    return cv2.imencode(ending, array)[1].tobytes()


LOSSLESS_8 = {
    "PNG": lambda f: encode(Image.fromarray(f), "PNG"),
    "TIFF": lambda f: encode(Image.fromarray(f), "TIFF"),
    "TIFF, LZW": lambda f: encode(Image.fromarray(f), "TIFF", compression="tiff_lzw"),
    "BMP": lambda f: encode(Image.fromarray(f), "BMP"),
    "WebP": lambda f: encode(Image.fromarray(f).convert("RGB"), "WEBP", lossless=True),
    "GIF of one frame": lambda f: encode(Image.fromarray(f), "GIF"),
    "RGB PNG": lambda f: encode(Image.fromarray(colour(f)), "PNG"),
    "palette PNG": lambda f: encode(Image.fromarray(f).convert("P"), "PNG"),
    "opaque RGBA PNG": lambda f: encode(Image.fromarray(f).convert("RGBA"), "PNG"),
    "opaque LA PNG": lambda f: encode(Image.fromarray(f).convert("LA"), "PNG"),
    "CMYK TIFF": lambda f: encode(
        Image.merge("CMYK", [Image.new("L", f.shape[::-1])] * 3 + [Image.fromarray(255 - f)]), "TIFF"
    ),
}
WITHIN_TWO = {
    "16-bit PNG": lambda f: encode(Image.fromarray(deep(f)), "PNG"),
    "16-bit TIFF": lambda f: encode(Image.fromarray(deep(f)), "TIFF"),
    "12 bits in a 16-bit PNG": lambda f: encode(Image.fromarray(f.astype(np.uint16) << 4), "PNG"),
    "12 bits in a 16-bit TIFF": lambda f: encode(Image.fromarray(f.astype(np.uint16) << 4), "TIFF"),
    "16-bit RGB PNG": lambda f: cv_encode(".png", colour(deep(f))),
    "12 bits in a 16-bit RGB PNG": lambda f: cv_encode(".png", colour(f.astype(np.uint16) << 4)),
    "16-bit RGB TIFF": lambda f: cv_encode(".tiff", colour(deep(f))),
    "32-bit TIFF": lambda f: encode(Image.fromarray(deep(f).astype(np.int32)), "TIFF"),
    "float TIFF": lambda f: encode(Image.fromarray(f.astype(np.float32)), "TIFF"),
}


@pytest.mark.parametrize("form", LOSSLESS_8)
def test_lossless_8_bit_forms_give_the_same_pixels(form, film):
    np.testing.assert_array_equal(read_image(LOSSLESS_8[form](film)), film)


@pytest.mark.parametrize("form", WITHIN_TWO)
def test_deep_forms_come_out_within_two_grey_levels(form, film):
    read = read_image(WITHIN_TWO[form](film))
    assert read.dtype == np.uint8
    assert np.abs(read.astype(int) - film).max() <= 2


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpegs_of_any_colour_come_out_alike(mode, film):
    read = read_image(encode(Image.fromarray(film).convert(mode), "JPEG", quality=98))
    assert np.abs(read.astype(int) - film).mean() < 2


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "16-bit RGB PNG"])
def test_exif_rotation_is_applied(turn, kind, film):
    exif = Image.Exif()
    exif[0x0112] = turn
    if kind == "16-bit RGB PNG":
        plain = cv_encode(".png", colour(deep(film)))
        data = plain[:33] + chunk(b"eXIf", exif.tobytes()[6:]) + plain[33:]
    else:
        data = encode(Image.fromarray(film), kind, exif=exif, **({"quality": 98} if kind == "JPEG" else {}))
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}[turn]
    upright = Image.fromarray(film) if undo is None else Image.fromarray(film).transpose(Image.Transpose(undo))
    read = read_image(data)
    assert read.shape == np.asarray(upright).shape
    assert np.abs(read.astype(int) - np.asarray(upright)).mean() < 2


def test_transparent_parts_become_black(film):
    alpha = np.full_like(film, 255)
    alpha[:, :20] = 0
    read = read_image(encode(Image.merge("LA", [Image.fromarray(film), Image.fromarray(alpha)]), "PNG"))
    assert (read[:, :20] == 0).all()
    np.testing.assert_array_equal(read[:, 20:], film[:, 20:])


def test_a_burnt_in_label_does_not_take_the_contrast_of_a_12_bit_film_away():
    values = np.tile(np.linspace(0, 4000, 400), (400, 1)).astype(np.uint16)
    values[:10, :10] = 65535
    assert np.unique(window(values)[20:]).size > 200


def test_a_film_with_little_range_in_a_deep_file_keeps_its_levels():
    values = np.tile(np.linspace(20000, 26000, 400), (400, 1)).astype(np.uint16)
    assert np.unique(window(values)).size > 200


def test_a_blank_deep_film_has_no_nan():
    with np.errstate(all="raise"):
        assert np.ptp(window(np.full((32, 32), 900, np.uint16))) == 0


def test_zip_members_are_read_in_place_even_nested(tmp_path, film):
    import zipfile

    inner = BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep/1.png", LOSSLESS_8["PNG"](film))
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr("a/1.png", LOSSLESS_8["PNG"](film))
        archive.writestr("inner.zip", inner.getvalue())
    np.testing.assert_array_equal(read_image(f"{tmp_path}/outer.zip!a/1.png"), film)
    np.testing.assert_array_equal(read_image(f"{tmp_path}/outer.zip!inner.zip!deep/1.png"), film)
    with pytest.raises(ImageError, match="no file a/2.png"):
        read_image(f"{tmp_path}/outer.zip!a/2.png")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    """A PNG of that size with an honest header and next to no data."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def animation(film: np.ndarray, form: str) -> bytes:
    frames = [Image.fromarray(film), Image.fromarray(255 - film)]
    return encode(frames[0], form, save_all=True, append_images=frames[1:])


REFUSED = {
    "zero bytes": (lambda f: b"", "is empty"),
    "text": (lambda f: b"this is a letter, not a film\n" * 9, "not an image"),
    "a PNG's signature alone": (lambda f: LOSSLESS_8["PNG"](f)[:8], "not an image|damaged"),
    "one pixel": (lambda f: encode(Image.new("L", (1, 1)), "PNG"), "1 x 1 pixels"),
    "a narrow strip": (lambda f: encode(Image.new("L", (4000, 3)), "PNG"), "at least 16"),
    "20,000 x 20,000": (lambda f: png_header(20_000, 20_000), "at most 64 million"),
    "10,000 x 10,000": (lambda f: png_header(10_000, 10_000), "at most 64 million"),
    "just over the limit": (lambda f: png_header(8001, 8000), "at most 64 million"),
    "animated GIF": (lambda f: animation(f, "GIF"), "2 frames"),
    "animated PNG": (lambda f: animation(f, "PNG"), "2 frames"),
    "animated WebP": (lambda f: animation(f, "WEBP"), "2 frames"),
    "TIFF of two pages": (lambda f: animation(f, "TIFF"), "2 frames"),
    "PDF": (lambda f: b"%PDF-1.4\n" + b"0" * 300, "not an image"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.filterwarnings("error")
def test_bad_input_is_refused_in_one_sentence(kind, film):
    make, words = REFUSED[kind]
    with pytest.raises(ImageError, match=words) as caught:
        read_image(make(film), name="film.png")
    message = str(caught.value)
    assert message.startswith("film.png")
    assert "\n" not in message


TRUNCATED = {
    "PNG": {},
    "JPEG": {},
    "progressive JPEG": {"progressive": True},
    "TIFF": {},
    "LZW TIFF": {"compression": "tiff_lzw"},
    "deflated TIFF": {"compression": "tiff_adobe_deflate"},
    "BMP": {},
    "WEBP": {},
    "GIF": {},
    "JPEG2000": {},
}


@pytest.mark.parametrize("kind", TRUNCATED)
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 0.98])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_truncated_files_are_refused(kind, share):
    noise = np.random.default_rng(1).integers(0, 256, (128, 96), dtype=np.uint8)
    form = kind.split()[-1]
    picture = Image.fromarray(noise).convert("RGB" if form == "WEBP" else "L")
    data = encode(picture, form, **TRUNCATED[kind])
    read_image(data)
    with pytest.raises(ImageError):
        read_image(data[: int(share * len(data))])


@pytest.mark.parametrize("ending", [".png", ".tiff"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_truncated_deep_colour_files_are_refused(ending):
    noise = np.random.default_rng(1).integers(0, 65536, (128, 96, 3), dtype=np.uint16)
    data = cv_encode(ending, noise)
    with pytest.raises(ImageError):
        read_image(data[: len(data) // 2])


def test_a_huge_picture_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    side = int(MAX_PIXELS**0.5) + 1
    with pytest.raises(ImageError, match="million"):
        read_image(png_header(side, side))


def test_a_text_file_named_png_is_refused_with_its_path(tmp_path):
    path = tmp_path / "note.png"
    path.write_text("hello")
    with pytest.raises(ImageError, match="note.png"):
        read_image(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ImageError, match="no file at"):
        read_image(tmp_path / "nothing.png")
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path)


def test_pictures_say_nothing_about_the_patient(film):
    radiograph = read_radiograph(LOSSLESS_8["PNG"](film))
    assert (radiograph.sex, radiograph.age_months, radiograph.laterality) == (None, None, None)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_files_are_read_or_refused_and_nothing_else(form):
    """Bits flipped at random: no crash, no other error than a refusal."""
    rng = np.random.default_rng(7)
    base = np.rint(127 + 100 * np.sin(np.arange(96 * 96).reshape(96, 96) / 50)).astype(np.uint8)
    picture = Image.fromarray(base)
    data = encode(picture.convert("RGB") if form == "WEBP" else picture, form)
    for _ in range(60):
        broken = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 12)):
            broken[place] ^= 1 << int(rng.integers(0, 8))
        try:
            assert read_image(bytes(broken)).dtype == np.uint8
        except ImageError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("colour_type", [4, 6])
def test_16_bits_with_alpha_are_not_cut_to_their_upper_half(colour_type, film):
    """12 bits in a 16-bit grey-alpha or RGBA file: Pillow alone would leave 16 grey levels of them."""
    values = film.astype(np.uint16) << 4
    opaque = np.full(film.shape, 65535, np.uint16)
    layers = [values, opaque] if colour_type == 4 else [values, values, values, opaque]
    rows = np.stack(layers, -1).astype(">u2")
    height, width = film.shape
    head = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    read = read_image(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    assert np.abs(read.astype(int) - film).max() <= 2
