"""Time limits: a request must be read and its answer begun in time; a streamed answer lasts as long as its client reads."""

import asyncio
import contextlib
from typing import Any, NamedTuple, cast

from litestar.types import ASGIApp, Message, Receive, ReceiveMessage, Scope, Send

from reachbook.http.errors import DeadlineError

STALLED_SECONDS = 60.0  # a client that takes nothing of a stream for so long is gone


REFUSED = 400
DRAINED_BYTES, DRAINED_SECONDS = 200 * 2**20, 20.0


class Limits(NamedTuple):
    """What one request may take."""

    request_seconds: float
    body_bytes: int


UPLOAD = "reachbook.upload"
"""Handler option: the body is a file. It may take as long as it keeps coming."""


class Deadline:
    """Litestar middleware; raises DeadlineError, which the dialect answers."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        try:
            async with asyncio.timeout(self.seconds) as deadline:
                is_upload = bool(scope["route_handler"].opt.get(UPLOAD))
                body = _Body(receive, deadline if is_upload else None, self.seconds)

                async def begun(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        deadline.reschedule(None)
                        if message["status"] >= REFUSED:
                            await _drain(body)
                    if message.get("more_body"):
                        async with asyncio.timeout(STALLED_SECONDS):
                            await send(message)
                    else:
                        await send(message)

                await self.app(scope, body, begun)
        except TimeoutError:
            raise DeadlineError(f"The request took longer than {self.seconds:g} seconds.") from None


class _Body:
    """A request's `receive` that knows whether the body is read to its end; each piece of an upload puts its deadline off."""

    def __init__(self, receive: Receive, deadline: asyncio.Timeout | None, seconds: float) -> None:
        self._receive = receive
        self._deadline, self._seconds = deadline, seconds
        self.is_read = False

    async def __call__(self) -> ReceiveMessage:
        message = await self._receive()
        if self._deadline is not None and self._deadline.when() is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time() + self._seconds)
        self.is_read = message["type"] != "http.request" or not message.get("more_body")
        return message


async def _drain(body: _Body) -> None:
    """Read what a client is still sending, within bounds: one that is cut off while it sends never sees the answer."""
    rest = DRAINED_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAINED_SECONDS):
            while rest > 0 and not body.is_read:
                message = cast("dict[str, Any]", await body())
                rest -= len(message.get("body", b""))
