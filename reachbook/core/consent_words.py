"""Words by which people say on SMS and WhatsApp that they want no messages, want them again, or want help (inbound.md). Pure."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import NamedTuple

STOP_WORDS: Mapping[str, tuple[str, ...]] = {
    "en": ("STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "OPT OUT", "REMOVE"),
    "nl": ("AFMELDEN", "UITSCHRIJVEN"),
    "de": ("STOPP", "ABMELDEN"),
    "fr": ("ARRET", "ARRÊT"),
    "es": ("BAJA", "CANCELAR"),
    "pt": ("CANCELAR",),
    "sv": ("STOPP",),
    "nb": ("STOPP",),
}
START_WORDS: Mapping[str, tuple[str, ...]] = {"en": ("START", "UNSTOP", "YES")}
HELP_WORDS: Mapping[str, tuple[str, ...]] = {"en": ("HELP", "INFO")}

RESERVED = frozenset(word for table in (STOP_WORDS, START_WORDS, HELP_WORDS) for words in table.values() for word in words)
"""No keyword of a claim may be one of these: who sends it must not end up in somebody's campaign."""

STOPS = frozenset(word for words in STOP_WORDS.values() for word in words)
STARTS = frozenset(word for words in START_WORDS.values() for word in words)

EVERYDAY = frozenset({"CANCEL", "END", "QUIT", "REMOVE", "BAJA", "CANCELAR"})
"""Stop words that people also say when they mean something else: within a sentence they count only if it is short."""

NEAR: Mapping[str, tuple[str, ...]] = {
    "en": (
        "NO MORE",
        "LEAVE ME ALONE",
        "TAKE ME OFF",
        "DONT TEXT ME",
        "DO NOT TEXT ME",
        "DONT MESSAGE ME",
        "DO NOT MESSAGE ME",
        "WRONG NUMBER",
    ),
    "nl": ("GEEN BERICHTEN", "NIET MEER", "HOU OP", "HOUD OP"),
    "de": ("KEINE NACHRICHTEN", "NICHT MEHR", "HÖR AUF", "HÖREN SIE AUF"),
    "fr": ("PLUS DE MESSAGES", "NE PLUS", "DÉSABONNER", "DESABONNER"),
    "es": ("NO MAS", "NO MÁS", "NO QUIERO"),
    "pt": ("NÃO QUERO", "NAO QUERO", "PARAR"),
}
"""Phrases that may mean stop."""

SHORT, LONG = 3, 12
"""Words: a sentence with an everyday stop word is looked at up to the first, one with another or a phrase up to the second."""

WORDS = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
APOSTROPHES = re.compile("['’]")  # people leave them out


class Meaning(StrEnum):
    """What a text says of consent."""

    STOP = "stop"
    START = "start"
    PERHAPS = "perhaps"


class Said(NamedTuple):
    """What a text says, and the rest of it when it stood beside a keyword (`JOIN STOP`, `STOP JOIN`)."""

    meaning: Meaning
    keyword: str | None = None


def compared(text: str) -> str:
    """A text as words are compared: its words in upper case, one blank between them."""
    words = WORDS.findall(unicodedata.normalize("NFC", text))
    return unicodedata.normalize("NFC", " ".join(words).upper())


def meaning(text: str, stops: Collection[str] = (), starts: Collection[str] = ()) -> Said | None:
    """What a text says of consent; None: nothing. `stops` and `starts` are an account's own words, as compared.

    Only the whole text counts, but for white space and punctuation; or a keyword beside the word. What merely contains one is PERHAPS.
    """
    said = compared(text)
    if not said:
        return None
    both = ((Meaning.STOP, STOPS.union(stops) if stops else STOPS), (Meaning.START, STARTS.union(starts) if starts else STARTS))
    for one, words in both:
        if said in words:
            return Said(one)
    first, _, after = said.partition(" ")
    before, _, last = said.rpartition(" ")
    for one, words in both:
        if before in words:
            return Said(one, last)
        if after in words:
            return Said(one, first)
    return Said(Meaning.PERHAPS) if _is_near(said, stops) else None


def _is_near(said: str, stops: Collection[str]) -> bool:
    words = said.split(" ")
    if len(words) > LONG:
        return False
    within = f" {said} "
    without = APOSTROPHES.sub("", within)
    plain = STOPS.union(stops) - EVERYDAY
    if any(f" {word} " in within for word in plain):
        return True
    if any(f" {phrase} " in without for phrases in NEAR.values() for phrase in phrases):
        return True
    return len(words) <= SHORT and any(f" {word} " in within for word in EVERYDAY)
