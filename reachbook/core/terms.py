"""What a person typed into a search box → what is looked for. Pure."""

import contextlib
import re
from typing import NamedTuple

from reachbook.core import phone
from reachbook.core.errors import invalid
from reachbook.core.text import fold

NUMBER_WORD = re.compile(r"[+]?[\d.\-()/]*\d[\d.\-()/]*")
FEWEST_DIGITS = 4  # fewer are a house number or a year, not a phone number written in parts
MOST_WORDS = 50


class Term(NamedTuple):
    """A condition of the search: one of the ways to write it has to occur. A way is texts that all have to occur."""

    ways: tuple[tuple[str, ...], ...]


def terms(query: str, region: str | None) -> list[Term]:
    """The conditions of a query, all of which must hold; none for a blank one.

    Words that together can be a phone number, however written (`0031 6 …`, `+31…`, `06-…` in the region, a `+` that arrived as
    a space), are one condition: the number's digits, or else every word by itself. Raises InvalidError for too many words.
    """
    found: list[Term] = []
    run: list[str] = []
    words = fold(query.replace("\0", " ")).split()
    if len(words) > MOST_WORDS:
        raise invalid("q", f"must be at most {MOST_WORDS} words")
    for word in [*words, ""]:
        if word and NUMBER_WORD.fullmatch(word):
            run.append(word)
            continue
        if run:
            found.append(_number(run, region))
            run = []
        if word:
            found.append(Term(((word,),)))
    return found


def _number(words: list[str], region: str | None) -> Term:
    literal = tuple(words)
    digits = re.sub(r"\D", "", "".join(words))
    if len(digits) < FEWEST_DIGITS:
        return Term((tuple(word.lstrip("+") for word in words),))
    ways = [literal, (digits,)]
    if digits.startswith("00"):
        ways.append((digits[2:],))
    elif digits.startswith("0"):
        ways.append((digits[1:],))
    with contextlib.suppress(phone.PhoneError):
        ways.append((phone.parse(" ".join(words), region).e164[1:],))
    # The shorter of two that say the same: "+31…" as typed never occurs in an index of digits.
    return Term(tuple(dict.fromkeys(way for way in ways if "+" not in "".join(way))))
