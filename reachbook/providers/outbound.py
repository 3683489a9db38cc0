"""The process's one HTTP client, and what can become of a call: an answer, or none.

Addresses and headers hold secrets, bodies hold codes: no error says any of them, nor names the error that did.
"""

import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import NamedTuple

import aiohttp
from aiohttp import ClientConnectorError, ClientSession, ServerDisconnectedError

from reachbook.database.errors import UnavailableError

SECONDS = 15.0  # from the first byte to the last


class NoAnswerError(UnavailableError):
    """The other side did not answer, or can't at the moment; the same call may succeed later. The text is for the operator."""


class Answer(NamedTuple):
    """Of whatever status."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        """A redirect is none: it is never followed."""
        return 200 <= self.status < 300


@contextlib.asynccontextmanager
async def open_client() -> AsyncGenerator[ClientSession]:
    """The client, for the life of a process. It keeps no cookies."""
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    async with ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), headers={"User-Agent": "Reachbook"}) as client:
        yield client


async def ask(
    client: ClientSession,
    whom: str,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    json: object = None,
) -> Answer:
    """One call; `whom` is what an error calls the other side. Raises NoAnswerError."""
    try:
        async with client.request(method, url, headers=headers, params=query, json=json, allow_redirects=False) as answer:
            return Answer(answer.status, await answer.read())
    except TimeoutError:
        raise NoAnswerError(f"{whom} did not answer in time.") from None
    except (ClientConnectorError, ServerDisconnectedError) as error:  # the texts of these name host and port, nothing else
        raise NoAnswerError(f"{whom} can't be reached: {error}.") from None
    except (aiohttp.ClientError, ValueError) as error:  # also of an address that is none
        raise NoAnswerError(f"{whom} can't be asked: {type(error).__name__}.") from None
