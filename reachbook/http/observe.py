"""Every request seen from outside: its id, its line in the log, its place in the figures."""

import functools
import re
import secrets
import time
from typing import Any

import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

log = structlog.get_logger("reachbook.http")

REQUESTS = Counter("reachbook_http_requests_total", "Requests by route and status.", ["method", "route", "status"])
LATENCY = Histogram(
    "reachbook_http_request_seconds",
    "Time to the end of the answer, by route.",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BROKEN = b'{"message":"Something went wrong on our side.","MessageDetail":"The request id names it in the log."}'


class Observed:
    """ASGI around everything: gives the request an id (or takes the caller's X-Request-Id), answers it, counts and logs."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status = 0

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        failure: Exception | None = None
        try:
            await self.app(scope, receive, answered)
        except Exception as error:
            failure = error
            if status:
                raise  # too late for an answer: cut the connection, so that the client sees it broken
            headers = [(b"content-type", b"application/json")]
            await answered({"type": "http.response.start", "status": 500, "headers": headers})
            await answered({"type": "http.response.body", "body": BROKEN, "more_body": False})
        finally:
            _record(scope, status, time.perf_counter() - started, failure)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and SANE_ID.fullmatch(text := value.decode("latin-1")):
            return text
    return secrets.token_hex(16)


@functools.cache
def _children(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, str(status)), LATENCY.labels(method, route)


def _record(scope: Any, status: int, seconds: float, failure: Exception | None) -> None:
    # By the route's template, never by the path: an id or an address in a label would make a series for each.
    route = scope.get("path_template") or "unmatched"
    method = scope["method"] if scope["method"] in METHODS else "OTHER"
    requests, latency = _children(method, route, status)
    requests.inc()
    latency.observe(seconds)
    write = log.error if status >= 500 or not status or failure else log.info
    write("request", method=method, route=route, status=status, ms=round(seconds * 1000, 1), exc_info=failure)
