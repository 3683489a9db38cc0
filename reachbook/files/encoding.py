"""Which encoding a text file is in: UTF-8, UTF-16, or else Windows-1252 (of which Latin-1's letters are a part).

No statistics: a file that is UTF-8 all through is UTF-8, and one that a Western spreadsheet wrote is Windows-1252. Other encodings are the
person's to name.
"""

import codecs
import re
from pathlib import Path
from typing import IO, NamedTuple

from reachbook.files.errors import FileError

CHUNK = 2**20
BOMS = [
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
UNREADABLE = re.compile("[\udc80-\udcff]")
NOT_ASCII = re.compile("[^\x00-\x7f]")


class Encoding(NamedTuple):
    """`errors` is Python's name for what becomes of bytes that the encoding does not know."""

    name: str
    errors: str = "strict"

    @property
    def fault(self) -> str:
        """What is wrong with a row that is not in it."""
        return f"has bytes that are no {self.name.upper().removesuffix('-SIG')} text"


def detect(path: Path) -> Encoding:
    """Look at the whole file: its first bad byte may be its last."""
    with path.open("rb") as file:
        head = file.read(CHUNK)
    for mark, name in BOMS:
        if head.startswith(mark):
            return Encoding(name, "surrogateescape" if name == "utf-8-sig" else "replace")
    wide = _wide(head)
    if wide is not None:
        return Encoding(wide, "replace")
    readable, unreadable = _count(path)
    if not unreadable:
        return Encoding("utf-8")
    # One letter cut in half does not make a file another encoding: its rows are refused, the rest is read.
    if readable > unreadable:
        return Encoding("utf-8", "surrogateescape")
    return Encoding(_western(path))


NO_TEXT = ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape")


def named(name: str) -> Encoding:
    """The encoding that the person names. Raises FileError."""
    try:
        known = codecs.lookup(name).name
        "a".encode(known).decode(known)
    except (LookupError, UnicodeError):
        known = ""
    if not known or known.replace("-", "_") in NO_TEXT:
        raise FileError(f"There is no text encoding {name!r}.")
    return Encoding(known, "surrogateescape" if known.startswith("utf-8") else "replace")


def open_text(path: Path, found: Encoding, newline: str | None) -> IO[str]:
    """The file as text, behind its byte order mark. UTF-16 and UTF-32 without one are little-endian."""
    name = found.name
    if name in ("utf-16", "utf-32"):
        with path.open("rb") as file:
            head = file.read(4)
        if not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
            name += "-le"
    text = path.open(encoding="utf-8-sig" if name == "utf-8" else name, errors=found.errors, newline=newline)
    if name.startswith("utf") and text.read(1) != "\ufeff":
        text.seek(0)
    return text


def is_unreadable(text: str) -> bool:
    """Whether the text has something that was no text of its encoding."""
    return not text.isascii() and ("\ufffd" in text or UNREADABLE.search(text) is not None)


def readable(text: str) -> str:
    """The text with question marks for what was none."""
    return UNREADABLE.sub("?", text).replace("\ufffd", "?")


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of Western text is zero."""
    sample = head[:4096]
    if len(sample) < 4:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if odd > half * 0.6 and even < half * 0.1:
        return "utf-16-le"
    return "utf-16-be" if even > half * 0.6 and odd < half * 0.1 else None


def _count(path: Path) -> tuple[int, int]:
    """(letters beyond ASCII that are UTF-8, bytes that are not)."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    letters = unreadable = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            text = decoder.decode(chunk)
            if not text.isascii():
                bad = len(UNREADABLE.findall(text))
                unreadable += bad
                letters += len(NOT_ASCII.findall(text)) - bad
    unreadable += len(decoder.decode(b"", final=True))
    return letters, unreadable


def _western(path: Path) -> str:
    """Windows-1252, or Latin-1 if the file has one of the five bytes that Windows-1252 leaves undefined."""
    undefined = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            if undefined.search(chunk):
                return "latin-1"
    return "cp1252"
