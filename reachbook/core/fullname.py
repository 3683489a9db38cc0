"""A whole name in one cell → first name, insertion, last name. Pure."""

from typing import NamedTuple

# What stands between first and last name in the languages that have it as a part of its own.
PARTICLES = frozenset(
    {
        "van",
        "von",
        "vom",
        "zu",
        "zum",
        "zur",
        "der",
        "den",
        "de",
        "het",
        "'t",
        "te",
        "ten",
        "ter",
        "op",
        "in",
        "'s",
        "la",
        "le",
        "les",
        "du",
        "des",
        "d'",
        "dos",
        "das",
        "da",
        "do",
        "di",
        "del",
        "della",
        "dello",
        "delle",
        "degli",
        "dei",
        "y",
        "e",
        "af",
        "av",
        "bin",
        "ibn",
        "al",
        "el",
    }
)


class FullName(NamedTuple):
    """Parts that are not there are blank."""

    first: str
    insertion: str
    last: str


def split(text: str) -> FullName:
    """`Jan van der Berg` → Jan, van der, Berg; `Berg, Jan van der` the same; one word is a first name."""
    last, comma, first = text.partition(",")
    if comma and last.strip() and first.strip() and "," not in first:
        words = first.split()
        return _parted(words, last.split())
    words = text.split()
    if len(words) < 2:
        return FullName(" ".join(words), "", "")
    start = next((place for place, word in enumerate(words[1:-1], 1) if word.lower() in PARTICLES), None)
    if start is None:
        return FullName(words[0], "", " ".join(words[1:]))
    end = start
    while end < len(words) - 1 and words[end].lower() in PARTICLES:
        end += 1
    return FullName(" ".join(words[:start]), " ".join(words[start:end]), " ".join(words[end:]))


def _parted(first: list[str], last: list[str]) -> FullName:
    """Particles may stand behind the first name or before the last one."""
    insertion: list[str] = []
    while len(first) > 1 and first[-1].lower() in PARTICLES:
        insertion.insert(0, first.pop())
    while len(last) > 1 and last[0].lower() in PARTICLES:
        insertion.append(last.pop(0))
    return FullName(" ".join(first), " ".join(insertion), " ".join(last))
