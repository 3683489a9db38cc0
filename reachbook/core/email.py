"""E-mail addresses: syntax, as they are stored and as they are compared (consent rules, "Addresses")."""

import re
import unicodedata
from typing import NamedTuple

import email_validator

# Syntax is checked, not purpose: an address at example.test is one.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

# Nearly every address is of this plain form, which needs no further look (a test holds it against the validator, which
# takes fifty times as long). Two dashes can be an encoded domain: those go the long way.
PLAIN = re.compile(
    r"(?=.{1,64}@)(?=.{6,254}\Z)(?!.*--)"
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)


class Email(NamedTuple):
    """`address` as written with its domain in lower case; `key` is what two spellings of one mailbox share."""

    address: str
    key: str


class EmailError(ValueError):
    """Not an e-mail address; the text says why."""


def parse(text: str) -> Email:
    """Check the syntax. Raises EmailError."""
    written = text.strip()
    if PLAIN.fullmatch(written):
        local, _, domain = written.rpartition("@")
        address = f"{local}@{domain.lower()}"
        return Email(address, address.lower())
    return _parse_any(unicodedata.normalize("NFC", written))


def _parse_any(written: str) -> Email:
    try:
        valid = email_validator.validate_email(written, check_deliverability=False, strict=True)
    except email_validator.EmailNotValidError as error:
        raise EmailError(f"is not an e-mail address: {error}") from None
    local, _, domain = written.rpartition("@")
    return Email(f"{local}@{domain.lower()}", f"{local.casefold()}@{(valid.ascii_domain or domain).lower()}")
