"""What people say of consent: the words of every language, what may stand around them, and that nothing else counts."""

import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from reachbook.core import consent_words
from reachbook.core.consent_words import Meaning, Said, compared, meaning

STOPS = {
    "en": ["STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "OPT OUT", "REMOVE"],
    "nl": ["AFMELDEN", "UITSCHRIJVEN"],
    "de": ["ABMELDEN", "STOPP"],
    "fr": ["ARRET", "ARRÊT"],
    "es": ["BAJA", "CANCELAR"],
    "pt": ["CANCELAR"],
    "sv": ["STOPP"],
    "nb": ["STOPP"],
}
"""inbound.md, "Consent words"; written down here once more, so that none gets lost."""
STARTS = {"en": ["START", "UNSTOP", "YES"]}
KNOWN = [
    (kind, language, word)
    for kind, table in ((Meaning.STOP, STOPS), (Meaning.START, STARTS))
    for language, words in table.items()
    for word in words
]
WORDS = sorted({(kind, word) for kind, _, word in KNOWN})

AROUND = [
    "{}",
    " {} ",
    "{}.",
    "{}!!!",
    "«{}»",
    '"{}"',
    "¡{}!",
    "\n{}\r\n",
    "\u00a0{}\u200b",
    "\t{}…",
    "*{}*",
    "_{}_",
    "({})",
    "- {} -",
    "。{}、",
    "{} 🛑",
    "#{}",
]
"""White space and punctuation of many kinds."""


def test_the_table_is_the_specs() -> None:
    assert {language: sorted(words) for language, words in consent_words.STOP_WORDS.items()} == {
        language: sorted(words) for language, words in STOPS.items()
    }
    assert {language: sorted(words) for language, words in consent_words.START_WORDS.items()} == {
        language: sorted(words) for language, words in STARTS.items()
    }


def test_no_word_means_two_things_and_none_is_a_keyword() -> None:
    stops, starts = ({word for words in table.values() for word in words} for table in (STOPS, STARTS))
    assert not stops & starts
    assert stops | starts | {"HELP", "INFO"} == set(consent_words.RESERVED)
    assert all(compared(word) == word for word in consent_words.RESERVED)


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize(("kind", "language", "word"), KNOWN)
def test_a_word_alone(kind: Meaning, language: str, word: str, around: str) -> None:
    for written in (word, word.lower(), word.title(), word.swapcase(), unicodedata.normalize("NFD", word)):
        assert meaning(around.format(written)) == Said(kind), f"{language}: {around.format(written)!r}"


@pytest.mark.parametrize("text", ["STOP  ALL", "stop\nall", "Stop, all!", "opt-out", "OPT.OUT", "opt\u00a0out", "STOP_ALL"])
def test_what_stands_between_two_words(text: str) -> None:
    assert meaning(text) == Said(Meaning.STOP)


@pytest.mark.parametrize("text", ["", " ", "!?", "🛑", "...", "\n"])
def test_a_text_without_words_means_nothing(text: str) -> None:
    assert meaning(text) is None


@pytest.mark.parametrize(("kind", "word"), WORDS)
def test_a_keyword_beside_it(kind: Meaning, word: str) -> None:
    for text in (f"JOIN {word}", f"{word} JOIN", f"join {word.lower()}!", f" {word}: join.", f"“{word}”,\nJoin"):
        assert meaning(text) == Said(kind, "JOIN"), text


def test_a_keyword_of_any_script_beside_it() -> None:
    assert meaning("stop größe") == Said(Meaning.STOP, "GRÖSSE")
    assert meaning("СКИДКА stop") == Said(Meaning.STOP, "СКИДКА")
    assert meaning("stop 2026") == Said(Meaning.STOP, "2026")


def test_stop_counts_before_start() -> None:
    assert meaning("YES STOP") == Said(Meaning.STOP, "YES")
    assert meaning("stop start") == Said(Meaning.STOP, "START")


NEAR = [
    *("please stop texting me", "stop it please now", "I want to UNSUBSCRIBE now", "can you stop all of this", "pls stop sending messages"),
    *("no more", "No more messages!", "leave me alone", "take me off your list", "wrong number"),
    *("don't text me", "dont text me", "don’t text me again", "do not message me", "DON'T MESSAGE ME"),
    *("geen berichten meer aub", "ik wil dit niet meer", "hou op", "Keine Nachrichten mehr", "hör auf damit", "ne plus m'écrire"),
    *("no mas", "No más", "¡no más!", "no quiero mensajes", "não quero", "me désabonner svp"),
    *("please cancel that", "cancel my order", "the very end", "remove me please"),
]


@pytest.mark.parametrize("text", NEAR)
def test_near_hits_are_for_a_person_to_decide(text: str) -> None:
    for written in (text, text.upper(), unicodedata.normalize("NFD", text), f"  {text}!!"):
        assert meaning(written) == Said(Meaning.PERHAPS), written


@pytest.mark.parametrize(
    "text",
    [
        *("hello", "stopped", "nonstop", "stops", "unstoppable", "yesterday", "restart", "quite", "ending", "baja-california sur tours"),
        *("s t o p", "st.op", "ST-OP", "help", "info", "yes please do that", "start my order now", "ok yes thanks a lot"),
        *("please cancel my order", "at the end of the day", "can you remove one item"),
        "the bus does not stop here so I will be late for the meeting today",
    ],
)
def test_what_merely_looks_like_it_means_nothing(text: str) -> None:
    assert meaning(text) is None


def test_an_accounts_own_words() -> None:
    own = {"stops": ["BASTA", "GENUG JETZT", "C'EST FINI"], "starts": ["JA", "WEER AAN"]}
    for text, said in {
        "basta": Said(Meaning.STOP),
        "¡Basta!": Said(Meaning.STOP),
        "genug, jetzt": Said(Meaning.STOP),
        "c'est fini.": Said(Meaning.STOP),
        "ja": Said(Meaning.START),
        "Weer aan!": Said(Meaning.START),
        "basta join": Said(Meaning.STOP, "JOIN"),
        "join genug jetzt": Said(Meaning.STOP, "JOIN"),
        "weer aan join": Said(Meaning.START, "JOIN"),
        "ma adesso basta per favore": Said(Meaning.PERHAPS),
        "tu sais c'est fini maintenant": Said(Meaning.PERHAPS),
        "stop": Said(Meaning.STOP),
        "yes": Said(Meaning.START),
    }.items():
        assert meaning(text, **own) == said, text
        if said.meaning is not meaning("stop") and text not in ("stop", "yes"):
            assert meaning(text) is None, f"{text}: nobody else's"


# --- properties

SEPARATORS = st.text(st.sampled_from(" \t\n\r\u00a0\u2003\u200b.,;:!?¡¿…-–—_*#/\\()[]{}<>«»\"“”'’`~@&%$€+=|^°🛑😀👍🏽"), max_size=8)
TOKENS = {token for _, word in WORDS for token in word.split(" ")}
PHRASES = {token for phrases in consent_words.NEAR.values() for phrase in phrases for token in phrase.split(" ")}
ANY_CASE = st.sampled_from([str.upper, str.lower, str.title, str.swapcase])
NEUTRAL = st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd"]), min_size=1, max_size=10).filter(
    lambda text: " " not in compared(text) and not ({compared(text)} & (TOKENS | PHRASES | {""}))
)


@given(st.sampled_from(WORDS), ANY_CASE, SEPARATORS, SEPARATORS)
def test_whatever_stands_around_a_word_it_counts(known: tuple[Meaning, str], case: str, before: str, after: str) -> None:
    kind, word = known
    assert meaning(f"{before}{case(word)}{after}") == Said(kind)  # type: ignore[operator]


@given(st.sampled_from(WORDS), ANY_CASE, st.lists(NEUTRAL, max_size=9), st.lists(NEUTRAL, max_size=9), SEPARATORS)
def test_only_the_whole_text_counts(known: tuple[Meaning, str], case: str, before: list[str], after: list[str], around: str) -> None:
    kind, word = known
    beside = [*before, *after]
    assume(len(beside) > 0)
    said = meaning(around + " ".join([*before, case(word), *after]) + around)  # type: ignore[operator]
    if len(beside) == 1:
        assert said == Said(kind, compared(beside[0]))
    else:
        assert said in (None, Said(Meaning.PERHAPS))
        assert said is None or kind is Meaning.STOP, "what begins with yes is no reason to ask whether to stop"


@given(st.lists(NEUTRAL, max_size=12), SEPARATORS)
def test_a_text_without_any_of_the_words_means_nothing(words: list[str], between: str) -> None:
    separated = f" {between} ".join(words)
    assert meaning(separated) is None


@given(st.text() | st.lists(st.sampled_from([*sorted(TOKENS | PHRASES), "join", "please"]), max_size=14).map(" ".join))
@example("STOP STOP")
@example("STOP ALL ALL")
@example("UNSTOP UNSTOP")
def test_only_words_alone_or_with_one_beside_them_are_taken_for_consent(text: str) -> None:
    said = meaning(text)
    if said is None or said.meaning is Meaning.PERHAPS:
        assert compared(text) not in {word for _, word in WORDS}
        return
    words = {word for kind, word in WORDS if kind is said.meaning}
    if said.keyword is None:
        assert compared(text) in words
    else:
        assert any(compared(text) in (f"{word} {said.keyword}", f"{said.keyword} {word}") for word in words)
        assert " " not in said.keyword


@given(st.text())
def test_comparing_twice_changes_nothing(text: str) -> None:
    once = compared(text)
    assert compared(once) == once
    assert meaning(once) == meaning(text)
    assert meaning(unicodedata.normalize("NFD", text)) == meaning(text)
