"""Phone numbers, e-mail addresses and text: what is taken, and what is the same (docs/consent.md, "Addresses")."""

import random
import string
import unicodedata
from collections.abc import Iterator
from types import ModuleType

import email_validator
import phonenumbers
import pytest
import rphonenumbers
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from reachbook.core import email, phone, terms
from reachbook.core.text import fold, sort_key

many = settings(max_examples=200, deadline=None)
NL, US = "NL", "US"


def examples() -> Iterator[tuple[str, str | None]]:
    """A number of every region and type as people write it."""
    formats = (PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL, PhoneNumberFormat.RFC3966)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for type in PhoneNumberType.values():
            number = phonenumbers.example_number_for_type(region, type)
            if number is None:
                continue
            e164, international, national, rfc3966 = (phonenumbers.format_number(number, form) for form in formats)
            yield from ((e164, None), (e164[1:], None), (e164[1:], NL), ("00" + e164[1:], None), (e164[1:], region))
            yield from ((international, region), (international.replace(" ", "."), None), (national, region), (national, US))
            yield from ((rfc3966, None), (e164[:-1], None), (e164 + "1", region))
            yield f"+{number.country_code} (0){number.national_number}", None
            yield f"＋{e164[1:]}", NL


def digits() -> Iterator[tuple[str, str | None]]:
    """Digits of any length, bare, with a plus, a trunk zero or the international prefix, in some region or none."""
    drawn = random.Random(9)
    regions = [None, None, *sorted(phonenumbers.SUPPORTED_REGIONS)]
    for _ in range(12_000):
        prefix = drawn.choice(["", "", "+", "00", "0", "31", "+1", "011", "810"])
        text = prefix + "".join(drawn.choices(string.digits, k=drawn.randint(1, 17)))
        if drawn.random() < 0.2:
            cut = drawn.randrange(len(text))
            text = text[:cut] + drawn.choice(" .-()/x#*;٣ ") + text[cut:]
        yield text, drawn.choice(regions)


def read(text: str, region: str | None, using: ModuleType) -> phone.Phone | str:
    """The number, or the refusal."""
    try:
        return phone.parse(text, region, using)
    except phone.PhoneError as error:
        return str(error)


@pytest.mark.parametrize("sample", [examples, digits])
def test_both_libraries_read_the_same(sample: object) -> None:
    given = set(sample())
    assert len(given) > 10_000
    quick = {item: read(*item, rphonenumbers) for item in given}
    assert sum(isinstance(answer, phone.Phone) for answer in quick.values()) > 3_000
    assert {item: (answer, slow) for item, answer in quick.items() if (slow := read(*item, phonenumbers)) != answer} == {}


DUTCH = phone.Phone("+31627100000", "NL")
WRITTEN_WITH_CODE = ["+31627100000", "0031627100000", "31627100000", " +31 6 27 10 00 00 ", "+31-6-27.10.00.00", "+31 (0)6 27100000"]
WRITTEN_WITH_CODE += [
    "0031 (0)6 27 10 00 00",
    "+31 06 27100000",
    "+31(6)27100000",
    "0031 6 2710/0000",
    "+31\u00a06\u00a027100000",
]


@pytest.mark.parametrize("using", [rphonenumbers, phonenumbers], ids=["rphonenumbers", "phonenumbers"])
@pytest.mark.parametrize("written", WRITTEN_WITH_CODE)
@pytest.mark.parametrize("region", [None, NL, US, "BE"])
def test_numbers_with_their_country_code(written: str, region: str | None, using: ModuleType) -> None:
    assert phone.parse(written, region, using) == DUTCH


@pytest.mark.parametrize("written", ["(+31) 6 27100000", "(+31)627100000", "(0031) 6 27100000"])
def test_country_codes_in_brackets(written: str) -> None:
    assert phone.parse(written, None) == DUTCH


@pytest.mark.parametrize("using", [rphonenumbers, phonenumbers], ids=["rphonenumbers", "phonenumbers"])
@pytest.mark.parametrize("written", ["0627100000", "06 27 10 00 00", "06-27100000", "(06) 271.000.00", "627100000"])
def test_national_numbers_need_a_region(written: str, using: ModuleType) -> None:
    assert phone.parse(written, NL, using) == DUTCH
    assert read(written, None, using) != DUTCH


@pytest.mark.parametrize(
    "written", ["", "abc", "+", "12", "+31 6", "+999627100000", "+31627100000 ext. 5", "0627100000", "+316271000001234567"]
)
def test_unusable_numbers_are_refused(written: str) -> None:
    with pytest.raises(phone.PhoneError, match=r"\w"):
        phone.parse(written, None)


def test_possible_is_enough() -> None:
    """Validity is a fact about a number, not a reason to refuse it."""
    number = "+12001230101"
    assert not phonenumbers.is_valid_number(phonenumbers.parse(number))
    assert phone.parse(number, None).e164 == number


ATOM = "!#$%&'*+/=?^_`{|}~-" + string.ascii_letters + string.digits
LABEL = string.ascii_letters + string.digits + "-"
lengths = st.integers(1, 12) | st.sampled_from([1, 2, 62, 63, 64, 65])


@st.composite
def plain_addresses(draw: st.DrawFn) -> str:
    """Addresses at and around everything that PLAIN says: lengths of parts and of the whole, dots, dashes, case."""
    parts = [draw(st.text(ATOM, min_size=1, max_size=6)) for _ in range(draw(st.integers(1, 3)))]
    local = ".".join(parts)
    local += draw(st.sampled_from(ATOM)) * max(0, draw(lengths) - len(local))
    labels = [draw(st.text(LABEL, min_size=1, max_size=8)) for _ in range(draw(st.integers(1, 4)))]
    labels[0] += "a" * max(0, draw(lengths) - len(labels[0]))
    top = draw(st.text(string.ascii_letters, min_size=2, max_size=5)) + "m" * draw(st.sampled_from([0, 0, 0, 58, 59, 60]))
    address = f"{local}@{'.'.join(labels)}.{top}"
    whole = draw(st.sampled_from([0, 0, 6, 253, 254, 255]))
    while len(address) < whole:
        address = f"{local}@{'b' * min(61, max(1, whole - len(address) - 1))}.{address.partition('@')[2]}"
    return address


@settings(max_examples=600, deadline=None)
@given(plain_addresses())
def test_plain_addresses_are_what_the_validator_takes(address: str) -> None:
    try:
        valid = email_validator.validate_email(address, check_deliverability=False, strict=True)
    except email_validator.EmailNotValidError:
        valid = None
    if email.PLAIN.fullmatch(address):
        assert valid is not None
        taken = email.parse(address)
        assert taken == email._parse_any(address)
        assert taken.address.rpartition("@")[2] == valid.domain
        assert taken.key == valid.normalized.lower()
    elif valid is None:
        with pytest.raises(email.EmailError):
            email.parse(address)
    else:
        assert email.parse(address).key == f"{valid.local_part}@{valid.ascii_domain}".casefold()


def test_the_longest_plain_local_part() -> None:
    """Longer ones go the long way."""
    assert email.PLAIN.fullmatch("a" * 64 + "@example.com")
    assert not email.PLAIN.fullmatch("a" * 65 + "@example.com")


def test_the_longest_address() -> None:
    longest = "a" * 63 + "@" + ".".join(["b" * 63, "c" * 63, "d" * 58, "com"])
    assert len(longest) == 254
    assert email.PLAIN.fullmatch(longest)
    assert email.parse(longest).address == email_validator.validate_email(longest, check_deliverability=False).normalized
    assert not email.PLAIN.fullmatch("a" + longest)
    with pytest.raises(email.EmailError):
        email.parse("a" + longest)


letters = st.text(st.characters(categories=["Ll"], max_codepoint=0x24F), min_size=1, max_size=8)


@many
@given(letters, st.sampled_from(["example.com", "bücher.example", "παράδειγμα.example", "müller-straße.example", "点看.example"]))
def test_spellings_of_one_mailbox_share_a_key(local: str, domain: str) -> None:
    ascii_domain = ".".join(email_validator.validate_email(f"a@{domain}", check_deliverability=False).ascii_domain.split("."))
    spellings = [f"{local}@{domain}", f" {local}@{domain.title()} ", f"{local}@{ascii_domain}", f"{local}@{ascii_domain.upper()}"]
    spellings += [unicodedata.normalize("NFD", f"{local}@{domain}")]
    if local.upper().casefold() == local.casefold():
        spellings.append(f"{local.upper()}@{domain}")
    assert {email.parse(spelling).key for spelling in spellings} == {f"{unicodedata.normalize('NFC', local).casefold()}@{ascii_domain}"}
    assert email.parse(f"{local}@{domain}").key != email.parse(f"{local}x@{domain}").key


def test_address_is_stored_as_written_but_for_its_domain() -> None:
    assert email.parse(" Jo.Doe+News@EXAMPLE.com ") == email.Email("Jo.Doe+News@example.com", "jo.doe+news@example.com")
    assert email.parse("Jo@BÜCHER.example") == email.Email("Jo@bücher.example", "jo@xn--bcher-kva.example")


NO_ADDRESSES = ["jo", "jo@", "@example.com", "jo@example", "a b@example.com", "jo@@example.com"]
NO_ADDRESSES += ["jo@-x.com", "jo.@x.com", "jo@x..com"]


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(email.EmailError, match="is not an e-mail address"):
        email.parse(text)


def test_folding_twice_is_folding_once() -> None:
    """Every character there is."""
    assigned = (chr(code) for code in range(0x11_0000) if unicodedata.category(chr(code)) not in ("Cs", "Co", "Cn"))
    assert [character for character in assigned if fold(fold(character)) != fold(character)] == []


@many
@given(st.text(max_size=30))
def test_folding_any_text_twice_is_folding_it_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [("ÉCOLE", "ecole"), ("Straße", "STRASSE"), ("Łódź", "lodz"), ("Ørsted", "orsted"), ("ΣΊΣΥΦΟΣ", "σισυφος"), ("ﬁn", "FIN")],
)
def test_what_folds_to_the_same(one: str, other: str) -> None:
    assert fold(one) == fold(other)


names = (
    st.none()
    | st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=12)
    | st.sampled_from(["Jan", "jan", "Jan Willem", "Ján"])
)


@many
@given(st.lists(st.tuples(names, names, names), max_size=12))
def test_sort_keys_order_like_their_parts_blanks_last(rows: list[tuple[str | None, ...]]) -> None:
    def in_turn(row: tuple[str | None, ...]) -> list[tuple[bool, str]]:
        return [(not fold(part or ""), fold(part or "")) for part in row]

    assert sorted(rows, key=lambda row: sort_key(*row).encode()) == sorted(rows, key=in_turn)


def test_sort_keys_fit_an_index() -> None:
    for character in ("ﷺ", "𝒜", "é", "\U0001f600", "㌖"):
        key = sort_key(*[character * 255] * 3)
        assert len(key.encode()) <= 2_600


def answers(query: str, region: str | None, text: str) -> bool:
    """Whether a text has every word of the query."""
    return all(any(all(part in text for part in way) for way in term.ways) for term in terms.terms(query, region))


INDEXED = "john van doe\njohn@example.com\n31627100000\nacme"


FINDING = ["0031627100000", "0031 6 27 10 00 00", "+31627100000", "+31 6 27100000", "+31 (0)6 27100000", " 31627100000", " 31 6 27100000"]
FINDING += ["06-27100000", "06 27 10 00 00", "627100000", "31627", "2710", "john 0627100000", "0627100000 Doe", "JÓHN", "john acme"]


@pytest.mark.parametrize("query", FINDING)
def test_queries_that_find(query: str) -> None:
    assert answers(query, NL, INDEXED)


@pytest.mark.parametrize("query", ["0032627100000", "+32 6 27100000", "0627100001", "jane", "john 0627100001", "john jane", "9999"])
def test_queries_that_do_not_find(query: str) -> None:
    assert not answers(query, NL, INDEXED)


def test_a_blank_query_has_no_conditions() -> None:
    assert terms.terms(" \t\0 ", NL) == []
    assert terms.terms("", None) == []


def test_parts_of_a_number_are_one_condition() -> None:
    assert len(terms.terms("john +31 6 27 10 00 00 doe", NL)) == 3
