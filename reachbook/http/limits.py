"""Time limits: a request must be read and its answer begun in time; a streamed answer lasts as long as its client reads."""

import asyncio
import contextlib
from typing import NamedTuple

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from reachbook.http.errors import DeadlineError

STALLED_SECONDS = 60.0  # a client that takes nothing of a stream for so long is gone


TOO_LARGE = 413
DRAINED_BYTES, DRAINED_SECONDS = 200 * 2**20, 20.0


class Limits(NamedTuple):
    """What one request may take."""

    request_seconds: float
    body_bytes: int


class Deadline:
    """Litestar middleware; raises DeadlineError, which the dialect answers."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        try:
            async with asyncio.timeout(self.seconds) as deadline:

                async def begun(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        deadline.reschedule(None)
                        if message["status"] == TOO_LARGE:
                            await _drain(receive)
                    if message.get("more_body"):
                        async with asyncio.timeout(STALLED_SECONDS):
                            await send(message)
                    else:
                        await send(message)

                await self.app(scope, receive, begun)
        except TimeoutError:
            raise DeadlineError(f"The request took longer than {self.seconds:g} seconds.") from None


async def _drain(receive: Receive) -> None:
    """Read what a client is still sending, within bounds: one that is cut off while it sends never sees the answer."""
    rest = DRAINED_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAINED_SECONDS):
            while rest > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
                rest -= len(message.get("body", b""))
