"""Words by which people say on SMS and WhatsApp that they want no messages, want them again, or want help (inbound.md). Pure."""

from collections.abc import Mapping

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
