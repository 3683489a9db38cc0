"""Files within gzip and zip: good ones, cut ones, and ones that are meant to do harm."""

import gzip
import io
import zipfile
from collections.abc import Callable, Mapping

from tests.files.case import HEADER, OF_PEOPLE, PEOPLE, Case, people

MEGABYTE = 2**20


def packed(members: Mapping[str, bytes], stored: frozenset[str] = frozenset()) -> bytes:
    """A zip file of these members, in this order."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content, zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED)
    return target.getvalue()


def repacked(source: bytes, change: Callable[[str, bytes], bytes], more: Mapping[str, bytes] | None = None) -> bytes:
    """A zip file with other contents, and perhaps more members."""
    with zipfile.ZipFile(io.BytesIO(source)) as archive:
        members = {name: change(name, archive.read(name)) for name in archive.namelist()}
    return packed(members | (more or {}))


def _csv() -> bytes:
    return people().encode()


def _encrypted() -> bytes:
    """A zip file that says of its only member that it is encrypted."""
    content = bytearray(packed({"contacts.csv": _csv()}))
    content[content.find(b"PK\x03\x04") + 6] |= 1
    content[content.find(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def _damaged_member() -> bytes:
    content = bytearray(packed({"contacts.csv": _csv()}, frozenset({"contacts.csv"})))
    content[content.find(b"Jansen")] ^= 1
    return bytes(content)


def _bomb() -> bytes:
    return packed({"contacts.csv": b"First name,Phone\n" + b"a" * (8 * MEGABYTE)})


def _lying_bomb() -> bytes:
    """Its directory says that it holds ten bytes."""
    content = bytearray(_bomb())
    for start in (content.find(b"PK\x03\x04") + 22, content.find(b"PK\x01\x02") + 24):
        content[start : start + 4] = (10).to_bytes(4, "little")
    return bytes(content)


def _good(name: str, filename: str, content: Callable[[], bytes]) -> Case:
    return Case(name, filename, content, HEADER, PEOPLE, OF_PEOPLE)


def _refused(name: str, filename: str, content: Callable[[], bytes], error: str, limit: int = 16 * MEGABYTE) -> Case:
    return Case(name, filename, content, error=error, limit=limit)


CASES = [
    _good("gzip_good", "contacts.csv.gz", lambda: gzip.compress(_csv())),
    _good("gzip_of_two_parts", "contacts.csv.gz", lambda: gzip.compress(_csv()[:50]) + gzip.compress(_csv()[50:])),
    _good("gzip_called_csv", "contacts.csv", lambda: gzip.compress(_csv())),
    _refused("gzip_truncated", "contacts.csv.gz", lambda: gzip.compress(_csv())[:-20], "cut off or damaged"),
    _refused("gzip_without_its_checksum", "contacts.csv.gz", lambda: gzip.compress(_csv())[:-8], "cut off or damaged"),
    _refused("gzip_head_only", "contacts.csv.gz", lambda: gzip.compress(_csv())[:7], "cut off or damaged"),
    _refused("gzip_damaged", "contacts.csv.gz", lambda: gzip.compress(_csv())[:-8] + b"\0" * 8, "cut off or damaged"),
    _refused("gzip_of_nothing", "contacts.csv.gz", lambda: gzip.compress(b""), "is empty"),
    _refused("gzip_of_a_pdf", "contacts.csv.gz", lambda: gzip.compress(b"%PDF-1.7"), "a PDF document"),
    _refused("gzip_bomb", "contacts.csv.gz", lambda: gzip.compress(b"a" * (8 * MEGABYTE)), "more than 1 MB", MEGABYTE),
    _good("zip_good", "contacts.zip", lambda: packed({"contacts.csv": _csv()})),
    _good("zip_called_csv", "contacts.csv", lambda: packed({"contacts.csv": _csv()})),
    _good("zip_with_a_folder", "contacts.zip", lambda: packed({"export/": b"", "export/contacts.csv": _csv()})),
    _good(
        "zip_of_a_mac",
        "contacts.zip",
        lambda: packed({"contacts.csv": _csv(), "__MACOSX/._contacts.csv": b"\0\5\x16\7", ".DS_Store": b"\0"}),
    ),
    _good("zip_of_a_gzip", "contacts.zip", lambda: packed({"contacts.csv.gz": gzip.compress(_csv())})),
    _refused("zip_of_two_files", "contacts.zip", lambda: packed({"a.csv": _csv(), "b.csv": _csv()}), "holds 2: a.csv, b.csv"),
    _refused("zip_of_nothing", "contacts.zip", lambda: packed({}), "holds 0"),
    _refused(
        "zip_of_a_document", "contacts.docx", lambda: packed({"[Content_Types].xml": b"", "word/document.xml": b""}), "exactly one file"
    ),
    _refused("zip_truncated", "contacts.zip", lambda: packed({"contacts.csv": _csv()})[:-30], "cut off or damaged"),
    _refused("zip_damaged", "contacts.zip", _damaged_member, "cut off or damaged"),
    _refused("zip_encrypted", "contacts.zip", _encrypted, "protected by a password"),
    _refused("zip_bomb", "contacts.zip", _bomb, "more than 1 MB", MEGABYTE),
    _refused("zip_bomb_that_lies", "contacts.zip", _lying_bomb, "cut off or damaged", MEGABYTE),
    _refused(
        "zip_of_a_zip_of_a_zip",
        "contacts.zip",
        lambda: packed({"c.zip": packed({"b.zip": packed({"a.csv": _csv()})})}),
        "packed more than twice",
    ),
]
