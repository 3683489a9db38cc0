"""Phone numbers by Google's libphonenumber: what people write → E.164 and the region (consent rules, "Addresses").

`rphonenumbers` is the same interface over the same data in Rust and some ten times as fast; a test holds the two
together on a large sample. Where there is no wheel of it, `phonenumbers` does the work.
"""

import contextlib
import re
from types import ModuleType
from typing import Any, NamedTuple

import phonenumbers

library: Any
try:
    import rphonenumbers as library
except ImportError:
    library = phonenumbers

E164 = 0
NON_GEOGRAPHIC = "001"
REGIONS = frozenset(phonenumbers.SUPPORTED_REGIONS)
# Digits of any script, and what people put between them: spaces, dots, dashes, slashes, brackets.
WRITTEN = re.compile(r"[+＋]?[\d\s.\-‐-―−()\[\]/\u200b\u2060\u00ad~]*\d[\d\s.\-‐-―−()\[\]/\u200b\u2060\u00ad~]*")


BRACKETS = ("(", "[")
MOBILE_TYPES = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)


class Phone(NamedTuple):
    """A number that can be possible: E.164 with its plus, and ISO 3166-1 alpha-2 where libphonenumber knows one."""

    e164: str
    country: str | None


class PhoneError(ValueError):
    """Not usable as a phone number; the text says why."""


def region(text: str) -> str | None:
    """The region as libphonenumber writes it, or None if there is no such region."""
    written = text.strip().upper()
    return written if written in REGIONS or written == NON_GEOGRAPHIC else None


def needs_region(text: str) -> bool:
    """Whether a default region can change how this number is read."""
    return not text.lstrip(" ([").startswith(("+", "00"))


def parse(text: str, region: str | None, using: ModuleType | Any = library) -> Phone:
    """Read a number as written; `region` is for national ones.

    Digits alone can be a national or an international number. Known to be valid counts first, then national if the
    region is known and the number possible there, then international. Raises PhoneError.
    """
    written = text.strip()
    if written.startswith(BRACKETS):
        written = written[1:].lstrip()  # "(+31) 6 …"
    if written.startswith("+"):
        return _possible(written, None, using)
    if WRITTEN.fullmatch(written) is None:
        raise PhoneError("is not a phone number")
    if written.startswith("00"):
        return _possible("+" + written[2:], None, using)
    readings: list[tuple[str, str | None]] = [(written, region)] if region else []
    if written[0] not in "0(＋":
        readings.append(("+" + written, None))
    readings = readings or [(written, None)]
    phones: list[Phone] = []
    refusal = PhoneError("is a national number, and no region is known for it")
    for number, of_region in readings:
        try:
            phone, valid = _read(number, of_region, using)
        except PhoneError as error:
            refusal = error
            continue
        if valid:
            return phone
        phones.append(phone)
    if not phones:
        raise refusal
    return phones[0]


def e164(text: str, region: str | None = None) -> str | None:
    """The number as it is compared; None for a text that is none."""
    try:
        return parse(text, region).e164
    except PhoneError:
        return None


def restored(digits: str, region: str | None, using: ModuleType | Any = library) -> Phone:
    """What a spreadsheet kept as a number, its plus or leading zero gone. Raises PhoneError unless only one phone can be meant."""
    found: set[Phone] = set()
    for written, of_region in (("+" + digits, None), (digits, region)):
        with contextlib.suppress(PhoneError):
            phone, valid = _read(written, of_region, using)
            if valid:
                found.add(phone)
    if len(found) == 1:
        return found.pop()
    if found:
        raise PhoneError(f"may be {' or '.join(sorted(phone.e164 for phone in found))}: the spreadsheet dropped its plus or leading zero")
    raise PhoneError("is no number that exists: the spreadsheet may have dropped its plus or leading zero")


def is_mobile(phone: Phone, using: ModuleType | Any = library) -> bool:
    """Whether libphonenumber says that a text message may reach it."""
    return using.number_type(using.parse(phone.e164, None)) in MOBILE_TYPES


def _possible(written: str, region: str | None, using: Any) -> Phone:
    try:
        number = using.parse(written, region)
    except using.NumberParseException as error:
        raise PhoneError(_reason(error)) from None
    if number.extension or WRITTEN.fullmatch(written) is None:
        raise PhoneError("is more than a phone number")
    if not using.is_possible_number(number):
        raise PhoneError("is not a possible phone number")
    return Phone(using.format_number(number, E164), using.region_code_for_number(number))


def _read(written: str, region: str | None, using: Any) -> tuple[Phone, bool]:
    phone = _possible(written, region, using)
    return phone, using.is_valid_number(using.parse(phone.e164, None))


def _reason(error: Any) -> str:
    if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
        return "has no country code that exists, or is a national number and no region is known for it"
    if error.error_type == phonenumbers.NumberParseException.TOO_LONG:
        return "is too long for a phone number"
    return "is not a phone number"
