"""Calls accounts' endpoints: signed, never to an address that is not public, never longer than a timeout, never along a redirect.

What a name resolves to is checked when the connection is made, and the connection goes to what was checked: a name that resolves
differently a moment later gains nothing.
"""

import base64
import contextlib
import email.utils
import functools
import ipaddress
import socket
import time
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from standardwebhooks import Webhook
from yarl import URL

from reachbook.core import endpoint_urls, inbound_formats
from reachbook.core.delivery_work import Delivery, Target
from reachbook.core.endpoint_urls import Networks
from reachbook.core.limits import ANSWER_BYTES

ASKING = (429, 503)  # their Retry-After counts


class Answered(NamedTuple):
    """What came of a call; `status` None: nothing, for the reason in `error`."""

    status: int | None
    error: str | None
    answer: str | None
    latency_ms: int
    retry_after: float | None = None

    @property
    def is_delivered(self) -> bool:
        """Any 2xx acknowledges, unless it came where it means nothing: a mail server that says 250 to DATA has no mail yet."""
        return self.error is None and self.status is not None and 200 <= self.status < 300


class RefusedAddressError(OSError):
    """The name leads to an address that nothing is sent to."""


class CheckedResolver(AbstractResolver):
    """Resolves names, and refuses those that lead to an address which is not public and not in `allowed`."""

    def __init__(self, allowed: Networks, resolver: AbstractResolver | None = None) -> None:
        self._allowed = allowed
        self._resolver = resolver or DefaultResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """All addresses, if all are allowed. Raises RefusedAddressError, OSError."""
        found = await self._resolver.resolve(host, port, family)
        for one in found:
            reason = endpoint_urls.refusal(ipaddress.ip_address(one["host"].partition("%")[0]), self._allowed)
            if reason:
                raise RefusedAddressError(f"{host} leads to {reason}")
        return found

    async def close(self) -> None:
        """The resolver beneath."""
        await self._resolver.close()


class Caller:
    """The HTTP client of deliveries."""

    def __init__(self, client: aiohttp.ClientSession, allowed: Networks) -> None:
        self._client = client
        self._allowed = allowed

    async def call(self, target: Target, delivery: Delivery, now: datetime) -> Answered:
        """One attempt; whatever goes wrong is part of the answer."""
        method = delivery.method or "POST"
        media_type, body = inbound_formats.request_body(method, delivery.form, delivery.payload)
        started = time.perf_counter()

        def after(status: int | None, error: str | None, answer: str | None = None, retry_after: float | None = None) -> Answered:
            return Answered(status, error, answer, round((time.perf_counter() - started) * 1000), retry_after)

        try:
            url = self._url(target.target, delivery)
            headers = {**_signed(target, delivery, body, now), **({"Content-Type": media_type} if media_type else {})}
            async with self._client.request(method, url, data=body or None, headers=headers, allow_redirects=False) as reply:
                answer = await _first_of(reply)
                asked = _seconds(reply.headers.get("Retry-After"), now) if reply.status in ASKING else None
                return after(reply.status, _reason(reply.status), answer, asked)
        except TimeoutError:
            return after(None, f"no answer within {self._client.timeout.total:g} seconds")
        except RefusedAddressError as error:
            return after(None, str(error))
        except aiohttp.ClientConnectorError as error:
            return after(
                None, str(error.os_error) if isinstance(error.os_error, RefusedAddressError) else f"can't connect: {error.os_error}"
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return after(None, f"{type(error).__name__}: {error}"[:500])

    def _url(self, target: str, delivery: Delivery) -> URL:
        """Where it goes. Raises ValueError for an address that nothing is sent to: the allow-list may have changed."""
        if delivery.form in inbound_formats.IN_URL:
            return URL(inbound_formats.target(endpoint_urls.check(target, self._allowed), delivery.form, delivery.payload), encoded=True)
        return _always_the_same(target, delivery.form, self._allowed)


@functools.lru_cache(maxsize=1_024)
def _always_the_same(target: str, form: str, allowed: Networks) -> URL:
    """The URL of an endpoint that takes nothing of the message into it; only what is in the text itself is checked here."""
    return URL(inbound_formats.target(endpoint_urls.check(target, allowed), form, b""), encoded=True)


@functools.lru_cache(maxsize=1_024)
def _signer(secret: bytes) -> Webhook:
    return Webhook(base64.b64encode(secret).decode())


def _signed(target: Target, delivery: Delivery, body: bytes, now: datetime) -> dict[str, str]:
    """Standard Webhooks: the id stays over retries, and every secret that holds signs."""
    id, text = f"msg_{delivery.id.hex}", body.decode()
    signatures = [_signer(secret).sign(id, now, text) for secret in target.secrets]
    return {"webhook-id": id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": " ".join(signatures)}


async def _first_of(reply: aiohttp.ClientResponse) -> str:
    """The start of the answer; of a long one the connection is given up."""
    found = b""
    while len(found) < ANSWER_BYTES and (chunk := await reply.content.read(ANSWER_BYTES - len(found))):
        found += chunk
    if not reply.content.at_eof():
        reply.close()
    return found.decode(errors="replace")


def _reason(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    return f"answered {status}: redirects are not followed" if 300 <= status < 400 else f"answered {status}"


def _seconds(text: str | None, now: datetime) -> float | None:
    """Retry-After in seconds, as a number or a date."""
    if not text:
        return None
    written = text.strip()
    if written.isascii() and written.isdigit():
        return float(written[:9])
    try:
        at = email.utils.parsedate_to_datetime(written)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (at - now).total_seconds()) if at.tzinfo else None


@contextlib.asynccontextmanager
async def open_caller(allowed: Networks, seconds: float, resolver: AbstractResolver | None = None) -> AsyncGenerator[Caller]:
    """The client, for the life of a process; each name is looked up anew for each connection."""
    connector = aiohttp.TCPConnector(resolver=CheckedResolver(allowed, resolver), use_dns_cache=False, limit=0)
    settings = aiohttp.ClientTimeout(total=seconds)
    agent = {"User-Agent": "Reachbook", "Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(
        connector=connector, timeout=settings, cookie_jar=aiohttp.DummyCookieJar(), headers=agent, auto_decompress=False
    ) as client:
        yield Caller(client, allowed)
