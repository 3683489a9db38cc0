"""Images of profiles: data URLs that are checked to hold an image (cm-channels.md: up to 5 MB)."""

import base64
import binascii
import io
import re
import warnings
from typing import NamedTuple

from PIL import Image as Pillow

from reachbook.core.limits import IMAGE_BYTES, IMAGE_PIXELS

DATA_URL = re.compile(r"data:(image/[a-z0-9.+-]+)(?:;[a-z0-9=-]+)*;base64,", re.IGNORECASE)
FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg"}


class Image(NamedTuple):
    """`media_type` is what the bytes are."""

    media_type: str
    data: bytes

    def url(self) -> str:
        """As a data URL."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"


def parse(url: str) -> Image:
    """The image in a data URL. Raises ValueError with the reason."""
    written = url.strip()
    head = DATA_URL.match(written[:200])
    if head is None:
        raise ValueError("must be a data URL: data:image/png;base64,…")
    if len(written) - head.end() > IMAGE_BYTES * 4 // 3 + 4:
        raise ValueError(f"is larger than {IMAGE_BYTES // 2**20} MB")
    try:
        data = base64.b64decode(written[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None
    if len(data) > IMAGE_BYTES:
        raise ValueError(f"is larger than {IMAGE_BYTES // 2**20} MB")
    found = _media_type(data)
    declared = head[1].lower()
    if found != ALIASES.get(declared, declared):
        raise ValueError(f"is {found}, not {declared}")
    return Image(found, data)


def _media_type(data: bytes) -> str:
    """Read whole, so that half an image is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow warns of images that unpack into too much
            with Pillow.open(io.BytesIO(data), formats=list(FORMATS)) as image:
                if image.width * image.height > IMAGE_PIXELS:
                    raise ValueError(f"has more than {IMAGE_PIXELS:,} pixels")
                image.load()
                return FORMATS[str(image.format)]
    except ValueError as error:
        if str(error).startswith("has more"):
            raise
        raise ValueError("is no image that can be read") from None
    except (OSError, SyntaxError, Warning, Pillow.DecompressionBombError, EOFError, IndexError, TypeError, MemoryError):
        raise ValueError("is no JPEG, PNG, WebP or GIF image that can be read") from None
