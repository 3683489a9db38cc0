"""What kind of file this is, by its contents (a name is only what somebody called it), and out of its gzip or zip."""

import gzip
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

from reachbook.files.errors import FileError

CHUNK = 2**20
MOST_BYTES = 2**30
"""Of a file as it comes, and of what is in it."""

SPREADSHEET_LIMIT = 512 * 2**20
NOT_CONTACTS = {
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"BZh": "a bzip2 archive",
    b"SQLite format 3": "a database",
    b"\x7fELF": "a program",
    b"MZ": "a program",
}


class Plain(NamedTuple):
    """A file that is packed no more; kind is csv, jsonl, vcard, xlsx, xls or ods."""

    path: Path
    kind: str


def unpack(source: Path, folder: Path, limit: int = MOST_BYTES) -> Plain:
    """Find out the kind; what is packed is unpacked into `folder`. Raises FileError."""
    for depth in range(3):
        head = _head(source)
        for magic, what in NOT_CONTACTS.items():
            if head.startswith(magic):
                raise FileError(f"The file is {what}, not a table of contacts.")
        target = folder / f"unpacked-{depth}"
        if head.startswith(b"\x1f\x8b"):
            source = _gunzip(source, target, limit)
        elif head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            kind = _office(source, limit)
            if kind:
                return Plain(source, kind)
            source = _unzip(source, target, limit)
        elif head.startswith(b"\xd0\xcf\x11\xe0"):
            return Plain(source, "xls")
        else:
            return Plain(source, _text_kind(head))
    raise FileError("The file is packed more than twice.")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def _text_kind(head: bytes) -> str:
    text = head.decode("utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8", "ignore").replace("\0", "")
    text = text.removeprefix("\ufeff").lstrip()
    if text[:11].upper() == "BEGIN:VCARD":
        return "vcard"
    if text.startswith("{") and text[1:].lstrip().startswith(('"', "}")):
        return "jsonl"
    if text.startswith("[") and text[1:].lstrip().startswith(("{", "[", "]")):
        raise FileError("The file is one JSON array. JSON Lines, an object a line, is what can be read.")
    if text[:14].lower().startswith(("<!doctype html", "<html", "<table")):
        raise FileError("The file is a web page, whatever it is called. Save it from the spreadsheet as XLSX or CSV.")
    if text.startswith("<?xml"):
        raise FileError("The file is XML. Save it from the spreadsheet as XLSX or CSV.")
    return "csv"


def _gunzip(source: Path, target: Path, limit: int) -> Path:
    try:
        with gzip.open(source) as packed:
            return _copy(packed, target, limit)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileError(f"The gzip file is cut off or damaged: {error}.") from None


def _office(source: Path, limit: int) -> str | None:
    """Whether a zip is a spreadsheet. All of one is unpacked once, to nowhere: what its directory says may be a lie."""
    try:
        with zipfile.ZipFile(source) as archive:
            names = set(archive.namelist())
            kind = "xlsx" if "xl/workbook.xml" in names else "ods" if "content.xml" in names and "mimetype" in names else None
            if kind is None:
                kind = "xls" if "xl/workbook.bin" in names else None
            if kind is None:
                return None
            most = limit if kind == "xlsx" else min(limit, SPREADSHEET_LIMIT)
            size = 0
            for info in archive.infolist():
                with archive.open(info) as member:
                    size = _pump(member, most, lambda _: None, size)
            return kind
    except FileError:
        raise
    except Exception as error:
        raise FileError(f"The zip file is cut off or damaged: {error}.") from None


def _unzip(source: Path, target: Path, limit: int) -> Path:
    try:
        with zipfile.ZipFile(source) as archive:
            files = [info for info in archive.infolist() if not info.is_dir() and not _is_hidden(info.filename)]
            if len(files) != 1:
                found = ", ".join(info.filename for info in files[:5]) or "none"
                raise FileError(f"A zip file must hold exactly one file; this one holds {len(files)}: {found}.")
            if files[0].flag_bits & 1:
                raise FileError("The zip file is protected by a password.")
            with archive.open(files[0]) as packed:
                return _copy(packed, target, limit)
    except FileError:
        raise
    except Exception as error:
        raise FileError(f"The zip file is cut off or damaged: {error}.") from None


def _is_hidden(name: str) -> bool:
    """What a Mac adds of its own."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")


def _copy(packed: "gzip.GzipFile | IO[bytes]", target: Path, limit: int) -> Path:
    with target.open("wb") as plain:
        _pump(packed, limit, plain.write)
    return target


def _pump(packed: "gzip.GzipFile | IO[bytes]", limit: int, write: Callable[[bytes], object], size: int = 0) -> int:
    """Read to the end; answers how much there is now. Raises FileError beyond the limit."""
    while chunk := packed.read(CHUNK):
        size += len(chunk)
        if size > limit:
            raise FileError(f"The file unpacks to more than {limit // 2**20:,} MB.")
        write(chunk)
    return size
