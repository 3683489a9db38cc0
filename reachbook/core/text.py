"""Text as it is stored (NFC, no NUL, bounded) and as it is compared (folded)."""

import unicodedata

from reachbook.core.errors import Fault, Path

BLANK_LAST = "\U0010ffff"  # sorts behind every letter, byte by byte
SEPARATOR = "\x01"  # sorts before every letter: "Jan" before "Jan Willem"
KEY_BYTES = 2_000  # an index entry holds 2,704

# Letters that people type without their stroke although Unicode does not take them apart.
STROKES = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h", "ı": "i", "ŧ": "t", "ŋ": "n"})


def clean(text: str | None, path: Path, longest: int, faults: list[Fault]) -> str | None:
    """The text as it is stored; None for a blank one. What is wrong with it is added to `faults`."""
    if not text or text.isspace():
        return None
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if len(text) > longest:
        faults.append(Fault(path, f"is longer than {longest:,} characters"))
    if "\0" in text:
        faults.append(Fault(path, "contains a NUL character"))
    return text


def fold(text: str) -> str:
    """Without case and accents, for search and for ordering by name."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(character for character in apart if not unicodedata.combining(character))
    return unicodedata.normalize("NFC", bare.casefold().translate(STROKES))


def sort_key(*parts: str | None) -> str:
    """One text that orders like its parts in turn, folded, blanks last."""
    folded = [fold(part).replace(SEPARATOR, " ") if part else "" for part in parts]
    key = SEPARATOR.join(part or BLANK_LAST for part in folded)
    if len(key) * 4 > KEY_BYTES:
        key = key.encode()[:KEY_BYTES].decode(errors="ignore")
    return key
