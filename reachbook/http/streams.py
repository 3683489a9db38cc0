"""Answers that core writes piece by piece, in constant memory.

Nothing is sent before the first piece is there, so an error until then is answered like any other. One that comes later cuts
the connection: the client sees a broken transfer, never a shorter list.
"""

import csv
import io
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, cast

from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from reachbook.files.writing import csv_lines

Write = Callable[[bytes], Awaitable[None]]
Produce = Callable[[Write], Awaitable[None]]


class Streamed(ASGIResponse):
    """Sends what `produce` writes."""

    _should_set_content_length = False

    def __init__(self, produce: Produce, media_type: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(media_type=media_type, headers=headers)
        self.produce = produce

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = False

        async def write(piece: bytes) -> None:
            nonlocal started
            if not started:
                started = True
                await self.start_response(send)
            if piece and cast("Any", scope)["method"] != "HEAD":
                await send({"type": "http.response.body", "body": piece, "more_body": True})

        await self.produce(write)
        await write(b"")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Rows(NamedTuple):
    """Where core writes its rows, and what is to be awaited after the last."""

    write: Write
    end: Callable[[], Awaitable[None]]


def json_array(write: Write) -> Rows:
    """One JSON array of objects that come a line each."""
    opening = b"["

    async def lines(piece: bytes) -> None:
        nonlocal opening
        text = opening + bytes(piece).rstrip(b"\n").replace(b"\n", b",\n")
        opening = b",\n"
        await write(text)

    async def end() -> None:
        await write(b"[]" if opening == b"[" else b"]")

    return Rows(lines, end)


def csv_table(write: Write, header: Sequence[str]) -> Rows:
    """A CSV table of lines that come with LF; the header also stands above no rows."""
    text = io.StringIO()
    csv.writer(text).writerow(header)
    heading = text.getvalue().encode()
    below = csv_lines(write)

    async def lines(piece: bytes) -> None:
        await end()
        await below(piece)

    async def end() -> None:
        nonlocal heading
        if heading:
            first, heading = heading, b""
            await write(first)

    return Rows(lines, end)
