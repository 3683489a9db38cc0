"""Servers that deliveries are sent to: what was asked of them, and answers of every kind, the worst too."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import NamedTuple


class Call(NamedTuple):
    """One request, as it came; the names of headers are small. `connection` counts the connections."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


Answer = bytes | Callable[[Call, asyncio.StreamWriter], Awaitable[None]]
"""The whole answer, or what writes it; the connection stays open after it."""


def answer(status: int = 200, body: bytes = b"", **headers: object) -> bytes:
    """An HTTP answer with a length; `Retry_After="5"` is a header."""
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(body)}",
        *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def hang(_: Call, __: asyncio.StreamWriter) -> None:
    """Never."""
    await asyncio.Event().wait()


async def drop(_: Call, writer: asyncio.StreamWriter) -> None:
    """The connection is gone before a word."""
    writer.transport.abort()


async def break_off(_: Call, writer: asyncio.StreamWriter) -> None:
    """The connection is gone in the middle of the answer."""
    writer.write(answer(200, b"x" * 500)[:-300])
    await writer.drain()
    writer.close()


class Sink:
    """An HTTP server, on 127.0.0.1 unless told otherwise. Each call gets the next of `answers`, the last of them from then on."""

    def __init__(self, *answers: Answer) -> None:
        self.answers: list[Answer] = list(answers) or [answer()]
        self.calls: list[Call] = []
        self.connections = 0
        self.port = 0
        self.came = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/in"

    @property
    def bodies(self) -> list[bytes]:
        """Of the calls."""
        return [call.body for call in self.calls]

    async def wait(self, count: int) -> None:
        """Until so many calls have come."""
        async with self.came, asyncio.timeout(60):
            await self.came.wait_for(lambda: len(self.calls) >= count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        connection = self.connections
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while not writer.is_closing():
                    call = await _read(reader, connection)
                    self.calls.append(call)
                    reply = self.answers[min(len(self.calls), len(self.answers)) - 1]
                    async with self.came:
                        self.came.notify_all()
                    if isinstance(reply, bytes):
                        writer.write(reply)
                    else:
                        await reply(call, writer)
                    await writer.drain()
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.close()
            self._tasks.discard(task)

    def stop(self) -> None:
        """Whatever hangs."""
        for task in self._tasks:
            task.cancel()


async def _read(reader: asyncio.StreamReader, connection: int) -> Call:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Call(method, path, headers, body, connection)


@contextlib.asynccontextmanager
async def open_sink(*answers: Answer, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0) -> AsyncGenerator[Sink]:
    """A sink that listens."""
    sink = Sink(*answers)
    server = await asyncio.start_server(sink.serve, host, port, ssl=tls, limit=2**20)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        sink.stop()
