"""One-time passwords: six digits, kept as a hash, compared in a time that tells nothing (cm-channels.md, "OTP start")."""

import asyncio
import functools
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import argon2

from reachbook.core.limits import CODE_PAUSE_SECONDS, CODES_AN_HOUR

DIGITS = 6
HASHER = argon2.PasswordHasher()
METHODS = ("sms", "voice")


class Code(NamedTuple):
    """A code on its way. Its text form does not show it: nothing that logs a value may log a code."""

    phone: str
    method: str
    digits: str

    def __repr__(self) -> str:
        return f"Code({self.phone!r}, {self.method!r}, …)"

    __str__ = __repr__


class Provider(Protocol):
    """A provider that verifies phone numbers by itself, and knows them by ids of its own. Raises UnavailableError, ConflictError."""

    async def request_code(self, phone_id: str, method: str) -> None:
        """Have a code sent."""
        ...

    async def verify_code(self, phone_id: str, digits: str) -> bool:
        """Whether these are the digits."""
        ...


class Senders(NamedTuple):
    """How codes get to phones. Without any, the operator reads them in the work queue and passes them on.

    `gateway` brings a code of ours to its phone, and raises UnavailableError when it can't.
    """

    gateway: Callable[[Code], Awaitable[None]] | None = None
    provider: Provider | None = None


def new_digits() -> str:
    """A new code."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


async def hashed(digits: str) -> str:
    """What is kept; takes tens of milliseconds on purpose, beside the loop."""
    return await asyncio.to_thread(HASHER.hash, digits)


async def matches(kept: str | None, digits: str) -> bool:
    """Whether these are the digits; takes as long when there is nothing to compare with."""
    return await asyncio.to_thread(_matches, kept, digits)


def _matches(kept: str | None, digits: str) -> bool:
    try:
        return HASHER.verify(kept or _nobodys(), digits) and kept is not None
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


@functools.cache
def _nobodys() -> str:
    """A hash that nothing fits."""
    return HASHER.hash(secrets.token_hex(16))


def wait_seconds(starts: Sequence[datetime], now: datetime) -> int:
    """How long until another code may be sent; 0: now. `starts` are the instants of those before."""
    if not starts:
        return 0
    within = sorted(start for start in starts if start > now - timedelta(hours=1))
    until = max(starts) + timedelta(seconds=CODE_PAUSE_SECONDS)
    if len(within) >= CODES_AN_HOUR:
        until = max(until, within[-CODES_AN_HOUR] + timedelta(hours=1))
    left = (until - now).total_seconds()
    return max(0, -int(-left // 1))
