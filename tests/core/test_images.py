"""Images of profiles: real ones pass, whatever else says that it is one does not."""

import base64
import io
import random
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from reachbook.core import images
from reachbook.core.limits import IMAGE_BYTES, IMAGE_PIXELS
from tests.core.channels import data_url, picture

TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
REAL = {form: picture(form, (64, 48)) for form in TYPES}


def moving(form: str) -> bytes:
    """An animated one."""
    frames = [Pillow.effect_noise((32, 32), 60).convert("RGB") for _ in range(3)]
    file = io.BytesIO()
    frames[0].save(file, form, save_all=True, append_images=frames[1:])
    return file.getvalue()


def refused(url: str) -> str:
    """The reason."""
    with pytest.raises(ValueError) as error:
        images.parse(url)
    assert type(error.value) is ValueError
    return str(error.value)


@pytest.mark.parametrize("form", TYPES)
def test_real_images_pass(form: str) -> None:
    found = images.parse(f"  {data_url(REAL[form], TYPES[form])}\n")
    assert (found.media_type, found.data) == (TYPES[form], REAL[form])
    assert images.parse(found.url()) == found
    assert images.parse(f"DATA:{TYPES[form].upper()};name=a;BASE64,{base64.b64encode(REAL[form]).decode()}") == found


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_any_mode_of_png(mode: str) -> None:
    file = io.BytesIO()
    Pillow.new(mode, (5, 5)).save(file, "PNG")
    assert images.parse(data_url(file.getvalue())).media_type == "image/png"


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_moving_images_pass(form: str) -> None:
    assert images.parse(data_url(moving(form), TYPES[form])).media_type == TYPES[form]


@pytest.mark.parametrize("declared", ["image/jpg", "image/pjpeg", "image/jpeg"])
def test_jpeg_has_other_names(declared: str) -> None:
    assert images.parse(data_url(REAL["JPEG"], declared)).media_type == "image/jpeg"


@pytest.mark.parametrize("form", TYPES)
def test_a_wrong_declared_type(form: str) -> None:
    for other in {*TYPES.values(), "image/svg+xml", "image/x-png"} - {TYPES[form]}:
        assert refused(data_url(REAL[form], other)) == f"is {TYPES[form]}, not {other}"


@pytest.mark.parametrize("form", TYPES)
def test_half_an_image_is_none(form: str) -> None:
    whole = REAL[form]
    for part in (1, 4, 12, 40, len(whole) // 2, len(whole) * 9 // 10):
        refused(data_url(whole[:part], TYPES[form]))


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><rect width="1" height="1"/></svg>'
OTHERS = {
    "svg": SVG,
    "text": b"just some text",
    "html": b"<!doctype html><script>alert(1)</script>",
    "pdf": b"%PDF-1.7\n",
    "nothing": b"",
    "a signature": b"\x89PNG\r\n\x1a\n",
    "bmp": picture("BMP"),
    "tiff": picture("TIFF"),
    "ico": picture("ICO", (16, 16)),
    "ppm": picture("PPM"),
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n",
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_no_image_of_ours(what: str) -> None:
    for declared in (*TYPES.values(), "image/svg+xml", "image/bmp"):
        assert "image that can be read" in refused(data_url(OTHERS[what], declared))


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "https://example.com/a.png",
        base64.b64encode(REAL["PNG"]).decode(),
        "data:;base64,AAAA",
        "data:text/plain;base64,AAAA",
        "data:image/png,AAAA",
        "data:image/png;base64;AAAA",
        "image/png;base64,AAAA",
        "data:image/" + "a" * 300 + ";base64,AAAA",
    ],
)
def test_no_data_url(url: str) -> None:
    assert refused(url) == "must be a data URL: data:image/png;base64,…"


@pytest.mark.parametrize("data", ["AAA", "A" * 5, "AA*A", "AAAA=AAA", "äöü", "AA\nAA", "%41%41"])
def test_not_base64(data: str) -> None:
    assert refused(f"data:image/png;base64,{data}") == "is not base64"


def test_size() -> None:
    """Up to 5 MB, whatever is behind the image itself."""
    at_most = REAL["PNG"] + random.Random(7).randbytes(IMAGE_BYTES - len(REAL["PNG"]))
    assert len(images.parse(data_url(at_most)).data) == IMAGE_BYTES
    for more in (b"\0", b"\0" * 100):
        assert refused(data_url(at_most + more)) == "is larger than 5 MB"


def chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *before: bytes) -> bytes:
    """A PNG of black pixels, which takes little room whatever its size."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    squeezed = zlib.compressobj(9)
    row = b"\0" * (1 + (width + 7) // 8)
    body = b"".join(squeezed.compress(row) for _ in range(height)) + squeezed.flush()
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_bombs() -> None:
    side = 7_000
    assert images.parse(data_url(png(side, side))).media_type == "image/png"
    assert side * side < IMAGE_PIXELS < (side + 100) ** 2
    assert refused(data_url(png(side + 100, side + 100))) == "has more than 50,000,000 pixels"
    for width, height in ((2**31 - 1, 1), (60_000, 60_000)):
        lying = png(1, 1).replace(struct.pack(">II", 1, 1), struct.pack(">II", width, height))
        refused(data_url(lying))
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 10_000_000, 9))
    refused(data_url(png(8, 8, text)))
    gif = bytearray(REAL["GIF"])
    gif[6:10] = struct.pack("<HH", 65_535, 65_535)
    refused(data_url(bytes(gif), "image/gif"))


damage = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(TYPES)), damage, st.floats(0, 1, exclude_max=True), st.integers(0, 40))
def test_a_broken_image_is_refused_or_read(form: str, changes: list[tuple[float, int]], start: float, cut: int) -> None:
    """Never anything but an answer or a reason."""
    broken = bytearray(REAL[form])
    for place, value in changes:
        broken[int(place * len(broken))] = value
    first = int(start * len(broken))
    del broken[first : first + cut]
    try:
        found = images.parse(data_url(bytes(broken), TYPES[form]))
    except ValueError:
        return
    assert found == (TYPES[form], bytes(broken))
