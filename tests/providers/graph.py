"""A local stand-in of Meta's Graph API, as far as WhatsApp templates and phone numbers go, and of a gateway of one-time passwords.

Its shapes are those of Meta's OpenAPI description (github.com/facebook/openapi, v23.0) and of its pages on template management, webhooks
and error codes: what is asked in another shape is refused as Meta would.
"""

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, NamedTuple

import httpx
from aiohttp import web

TOKEN, APP_SECRET, VERIFY_TOKEN = "EAAJBtokenOfTheSystemUser", "a1b2c3appsecret", "text of the operator's"
VERSION = "v23.0"
CODE = "314159"
"""What Meta sends to phones."""
CATEGORIES = ("AUTHENTICATION", "MARKETING", "UTILITY")
VARIABLE = re.compile(r"\{\{([0-9]+)\}\}")


class GraphError(Exception):
    """How Graph says no."""

    def __init__(self, status: int, code: int, message: str, subcode: int | None = None, **more: Any) -> None:
        super().__init__(message)
        error = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AXsgnV2Cm3ZMGF3dF_cfYIn"}
        self.status, self.body = status, {"error": error | ({"error_subcode": subcode} if subcode else {}) | more}


class Asked(NamedTuple):
    """A call that came."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


class Graph:
    """One business account's templates and phone numbers, in memory."""

    def __init__(self) -> None:
        self.url = ""
        self.templates: dict[str, dict[str, Any]] = {}
        self.codes: dict[str, str] = {}
        self.verified: set[str] = set()
        self.asked: list[Asked] = []
        self.failures: list[tuple[str, GraphError | str]] = []
        self.pause_seconds = 0.0
        self.loses_answers = False
        self.next_page_at: str | None = None
        """Another host that it claims to have its next page."""
        self._ids = itertools.count(10**15 + 1)

    @property
    def graph_url(self) -> str:
        """As the setting has it."""
        return f"{self.url}/{VERSION}"

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Method and path below the version of all calls so far."""
        return [(asked.method, asked.path.removeprefix(f"/{VERSION}/")) for asked in self.asked]

    def fail(self, failure: GraphError | str, method: str = "") -> None:
        """The next call, or the next of this method, is answered so; a text is a body of status 502 that is no JSON."""
        self.failures.append((method, failure))

    def named(self, name: str, language: str = "en_US") -> dict[str, Any]:
        """A template."""
        return next(one for one in self.templates.values() if (one["name"], one["language"]) == (name, language))

    def decide(self, template: dict[str, Any], status: str, reason: str = "NONE") -> None:
        """Meta has looked at it."""
        template |= {"status": status, "rejected_reason": reason}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any call."""
        text = await request.text()
        asked = Asked(request.method, request.path, dict(request.query), json.loads(text) if text else None)
        self.asked.append(asked)
        await asyncio.sleep(self.pause_seconds)
        try:
            if self.failures and self.failures[0][0] in ("", request.method):
                _, failure = self.failures.pop(0)
                if isinstance(failure, str):
                    return web.Response(status=502, text=failure)
                raise failure
            answer = self._answer(request, asked)
        except GraphError as refused:
            return web.json_response(refused.body, status=refused.status)
        if self.loses_answers:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(answer)

    def _answer(self, request: web.Request, asked: Asked) -> Any:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token != TOKEN:
            raise GraphError(401, 190, f"Malformed access token {token}")
        version, id, *edge = asked.path.strip("/").split("/")
        if version != VERSION or not id.isdigit():
            raise _no_such(id)
        match asked.method, edge:
            case "POST", ["message_templates"]:
                return self._create(id, asked.body)
            case "GET", ["message_templates"]:
                return self._list(id, asked.query)
            case "POST", []:
                return self._edit(id, asked.body)
            case "POST", ["request_code"]:
                return self._request_code(id, asked.body)
            case "POST", ["verify_code"]:
                return self._verify_code(id, asked.body)
        raise _no_such(id)

    def _create(self, business: str, body: dict[str, Any]) -> Any:
        if not re.fullmatch("[a-z0-9_]{1,512}", body["name"]) or body["category"] not in CATEGORIES:
            raise GraphError(400, 100, "Invalid parameter")
        _check(body["components"])
        if any((one["name"], one["language"], one["business"]) == (body["name"], body["language"], business) for one in self._all()):
            raise GraphError(
                400,
                100,
                "Invalid parameter",
                2388024,
                is_transient=False,
                error_user_title="Content in This Language Already Exists",
                error_user_msg="There is already content for this template in this language.",
            )
        id = str(next(self._ids))
        wanted = {name: body[name] for name in ("name", "language", "category", "components")}
        self.templates[id] = {"id": id, "business": business, "status": "PENDING", "rejected_reason": "NONE"} | wanted
        return {"id": id, "status": "PENDING", "category": body["category"]}

    def _edit(self, id: str, body: dict[str, Any]) -> Any:
        template = self.templates.get(id)
        if template is None:
            raise _no_such(id)
        if template["status"] not in ("APPROVED", "REJECTED", "PAUSED"):
            raise GraphError(400, 100, "Invalid parameter", 2388003, error_user_msg="The template is in review.")
        assert set(body) <= {"category", "components"}, body
        _check(body["components"])
        template |= body
        self.decide(template, "PENDING")
        return {"success": True}

    def _list(self, business: str, query: dict[str, str]) -> Any:
        rows = [one for one in self._all() if one["business"] == business]
        for name in ("name", "language"):
            rows = [one for one in rows if one[name] == query.get(name, one[name])]
        start, size = int(query.get("after", "0")), int(query["limit"])
        fields = query["fields"].split(",")
        data = [{name: one[name] for name in fields} for one in rows[start : start + size]]
        if not data:
            return {"data": []}
        paging: dict[str, Any] = {"cursors": {"before": str(start), "after": str(start + size)}}
        if start + size < len(rows):
            host = self.next_page_at or self.url
            paging["next"] = f"{host}/{VERSION}/{business}/message_templates?access_token={TOKEN}&limit={size}&after={start + size}"
        return {"data": data, "paging": paging}

    def _request_code(self, phone: str, body: dict[str, str]) -> Any:
        if body["code_method"] not in ("SMS", "VOICE") or not re.fullmatch("[a-z]{2}(_[A-Z]{2})?", body["language"]):
            raise GraphError(400, 100, "Invalid parameter")
        if phone in self.verified:
            raise GraphError(400, 136024, "Request code error", 2388091, error_user_msg="The number is verified already.")
        self.codes[phone] = CODE
        return {"success": True}

    def _verify_code(self, phone: str, body: dict[str, str]) -> Any:
        if self.codes.get(phone) != body["code"]:
            raise GraphError(422, 100, f"The verification code {body['code']} is invalid or has expired")
        del self.codes[phone]
        self.verified.add(phone)
        return {"success": True, "id": phone}

    def _all(self) -> list[dict[str, Any]]:
        return list(self.templates.values())


def _check(components: list[dict[str, Any]]) -> None:
    """One body, with an example for each of its variables."""
    [body] = components
    variables = set(VARIABLE.findall(body["text"]))
    [examples] = body.get("example", {"body_text": [[]]})["body_text"]
    if body["type"] != "BODY" or len(examples) != len(variables) or not all(examples):
        raise GraphError(
            400,
            100,
            "Invalid parameter",
            2388043,
            error_user_title='Message template "components" param is missing expected field(s)',
            error_user_msg="component of type BODY is missing expected field(s) (example)",
        )


def _no_such(id: str) -> GraphError:
    return GraphError(400, 100, f"Unsupported request. Object with ID '{id}' does not exist.", 33)


def webhook(business: str, template: dict[str, Any], event: str, at: float, **more: Any) -> bytes:
    """What Meta posts, `at` in seconds since 1970."""
    value = {
        "event": event,
        "message_template_id": int(template["id"]),
        "message_template_name": template["name"],
        "message_template_language": template["language"].replace("_", "-"),
        "reason": "NONE",
        "message_template_category": template["category"],
    }
    change = {"value": value | more, "field": "message_template_status_update"}
    body = {"entry": [{"id": business, "time": int(at), "changes": [change]}], "object": "whatsapp_business_account"}
    return json.dumps(body).encode()


def signature(body: bytes, secret: str = APP_SECRET) -> dict[str, str]:
    """The header with which Meta posts it."""
    return {"X-Hub-Signature-256": f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"}


async def post(server_url: str, body: bytes, secret: str = APP_SECRET) -> httpx.Response:
    """Post a webhook as Meta does."""
    async with httpx.AsyncClient(base_url=server_url, timeout=60, verify=False) as client:
        headers = {"content-type": "application/json"} | signature(body, secret)
        return await client.post("/meta/v1/webhooks", content=body, headers=headers)


@contextlib.asynccontextmanager
async def serving(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncGenerator[str]:
    """A server on a free port; its URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def graph() -> AsyncGenerator[Graph]:
    """A new one, on a free port."""
    made = Graph()
    async with serving(made.handle) as made.url:
        yield made
