"""Golden cases: requests and the answers they get, as data beside each dialect's tests.

A file holds a list of cases, a case a list of steps that share variables. A step:

    {"request": "POST groups", "as": "alice", "query": {…}, "headers": {…}, "json": … or "body": "raw text" or "curl": "curl -X …"
     or "form": {…} (url-encoded) or "multipart": {"name": "text" or ["file name", "text"]},
     "keep": {"group": "id"}, "status": 201, "answer_headers": {…}, "answer": … or "text": "…"}

`request` is relative to the account's base unless it starts with `/` or is a whole address; `as` is alice (the default, but in the
operator's own API), bob, reader (Alice's account, scope read), expired, operator, gateway, or nobody. `{name}` stands for a variable:
`{account}`, `{token}`, `{token_id}`, `{basic}` (both, as Basic has them), `{company}` (the account on Devino's wire), and what earlier
steps kept (`keep`: name → path in the answer, `0.id`). In queries and forms a list is a name that comes again. A step with `"until":
"over"` is repeated while its answer says that somebody is at work. In answers ids that are no variable are `{uuid}`, Devino's
`{contact_id}` and `{list_id}`, instants `{instant}`, and what Retry-After says `{seconds}`; what a case itself dates is of years before
2026, and stays.
Where an answer has what other tests made too, `at` is the path of the part to compare, and `among` instead of `answer` what it must have,
besides anything else. `pytest --update` writes the answers anew, but not what is `among`.

A step `{"act": [name, argument, …]}` is no request: something happens behind the wire, as the dialect's tests say (`Beside`).
"""

import asyncio
import base64
import functools
import json
import re
import shlex
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from litestar import Litestar

from reachbook.core import ids, tokens
from reachbook.database.pool import Pool
from tests.support import Client

UUID = re.compile(r"(?!0{8}-0{4}-0{4}-0{4}-0{12})[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z|20(?:2[6-9]|[3-9]\d)-\d\d-\d\d[ T]\d\d:\d\d:\d\d")
CONTACT_ID = re.compile(r"\b[0-9a-f]{16}-[0-9a-f]{16}\b")
LIST_ID = re.compile(r"\b(?:3[7-9]|[4-8]\d)\d{17}\b")
"""Of lists that are made now: those in the document are older."""

FORMS = ((UUID, "uuid"), (CONTACT_ID, "contact_id"), (LIST_ID, "list_id"), (INSTANT, "instant"))

AT_WORK = ("previewing", "running", "undoing")

COMPANIES = ("company", "other_company")
"""Variables that answers have as numbers."""

UNTOLD = ("otp",)
"""Variables that no answer may have: they would be seen in it."""

Case = dict[str, Any]
Step = dict[str, Any]


class Beside(NamedTuple):
    """What a dialect's cases have besides requests: variables, what may happen behind the wire by name (it answers variables), and
    who looks at the answers too.
    """

    variables: Mapping[str, str] = {}
    acts: Mapping[str, Callable[..., Awaitable[Mapping[str, str]]]] = {}
    look: Callable[[Step, httpx.Response], None] = lambda _step, _response: None


NOTHING = Beside()


@functools.cache
def load(folder: Path) -> list[tuple[str, int, Case]]:
    """(file, index in it, case) of every case below the folder."""
    return [(path.name, index, case) for path in sorted(folder.glob("*.json")) for index, case in enumerate(json.loads(path.read_text()))]


def rewrite(path: Path, index: int, case: Case) -> None:
    """Put a case with new answers back into its file."""
    cases = json.loads(path.read_text())
    cases[index] = case
    path.write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")


def filled(value: Any, variables: dict[str, str]) -> Any:
    """The value with its variables put in."""
    if isinstance(value, str):
        for name, text in variables.items():
            value = value.replace("{" + name + "}", text)
        return value
    if isinstance(value, list):
        return [filled(item, variables) for item in value]
    if isinstance(value, dict):
        return {filled(name, variables): filled(item, variables) for name, item in value.items()}
    return value


def bared(value: Any, variables: dict[str, str]) -> Any:
    """An answer without what differs from run to run."""
    if isinstance(value, str):
        told = sorted(((text, name) for name, text in variables.items() if text and name not in UNTOLD), key=lambda pair: -len(pair[0]))
        # In one pass from the left, and small numbers whole: a kept "17" is no part of the instant 17:28.
        names = dict(reversed(told))
        ours = "|".join(rf"(?<!\d){text}(?!\d)" if text.isdecimal() and len(text) < 5 else re.escape(text) for text, _ in told) or "(?!)"
        forms = "|".join(f"(?P<{name}>{pattern.pattern})" for pattern, name in FORMS)
        return re.sub(
            f"(?P<ours>{ours})|{forms}", lambda found: "{" + (names[found[0]] if found["ours"] else str(found.lastgroup)) + "}", value
        )
    if isinstance(value, int):
        return next(("{" + name + "}" for name in COMPANIES if str(value) == variables.get(name)), value)
    if isinstance(value, list):
        return [bared(item, variables) for item in value]
    if isinstance(value, dict):
        return {name: bared(item, variables) for name, item in value.items()}
    return value


def request_of(step: Step, variables: dict[str, str], base: str) -> dict[str, Any]:
    """The step as arguments of httpx's `request`, without authentication."""
    if "curl" in step:
        return from_curl(filled(step["curl"], variables))
    method, _, path = step["request"].partition(" ")
    url = filled(path, variables)
    arguments: dict[str, Any] = {
        "method": method,
        "url": url if url.startswith(("/", "http://", "https://")) else base + url,
        "headers": filled(step.get("headers", {}), variables),
    }
    if "query" in step:
        arguments["params"] = filled(step["query"], variables)
    if "json" in step:
        arguments["json"] = filled(step["json"], variables)
    if "body" in step:
        arguments["content"] = filled(step["body"], variables).encode()
    if "form" in step:
        arguments["data"] = filled(step["form"], variables)
    if "multipart" in step:
        arguments["files"] = list(parts(filled(step["multipart"], variables)))
    return arguments


def parts(form: Mapping[str, str | list[str]]) -> Iterator[tuple[str, tuple[str | None, bytes]]]:
    """A multipart form as httpx takes it: a text has no file name."""
    for name, value in form.items():
        filename, text = (None, value) if isinstance(value, str) else value
        yield name, (filename, text.encode())


def from_curl(line: str) -> dict[str, Any]:
    """A curl line as printed in a document: `-X`, `-H` (or `-h`), `-d`, and line continuations that lost their line end."""
    words = shlex.split(line.replace("\\ ", " ").replace("\\\n", " ").removesuffix("\\"))[1:]
    arguments: dict[str, Any] = {"method": "GET", "headers": {}}
    position = 0
    while position < len(words):
        word = words[position]
        if word in ("-X", "-H", "-h", "-d"):
            value = words[position + 1]
            position += 1
        else:
            value = word
        if word == "-X":
            arguments["method"] = value
        elif word in ("-H", "-h"):
            name, _, text = value.partition(":")
            arguments["headers"][name.strip()] = text.strip()
        elif word == "-d":
            arguments["content"] = value.encode()
        else:
            arguments["url"] = httpx.URL(value).raw_path.decode()
        position += 1
    return arguments


def part_of(answer: Any, path: str) -> Any:
    """What is at a path such as `0.id`; all of it at an empty one."""
    for part in path.split(".") if path else ():
        answer = answer[int(part)] if isinstance(answer, list) else answer[part]
    return answer


def has(answer: Any, wanted: Any) -> bool:
    """Whether an answer has what is wanted, besides anything else."""
    if isinstance(wanted, dict) and isinstance(answer, dict):
        return all(name in answer and has(answer[name], value) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(answer, list):
        return all(any(has(item, value) for item in answer) for value in wanted)
    return bool(answer == wanted)


def is_at_work(answer: Any) -> bool:
    """Whether there is more to come: of an import in our own API, or of a list that Digitaleo's wire imports into."""
    if "list" in answer:
        return answer["list"][0]["importStatus"] != "ok"
    return answer["state"] in AT_WORK


def told(response: httpx.Response, step: Step, variables: dict[str, str]) -> Step:
    """What the answer says, in the form that a step expects it."""
    result: Step = {"status": response.status_code}
    if "answer_headers" in step:
        result["answer_headers"] = {name: bared(response.headers.get(name), variables) for name in step["answer_headers"]}
        if re.fullmatch("[1-9][0-9]*", result["answer_headers"].get("Retry-After") or ""):
            result["answer_headers"]["Retry-After"] = "{seconds}"
    if response.headers.get("content-type", "").partition(";")[0] == "application/json":
        result["answer"] = bared(part_of(response.json(), step.get("at", "")), variables)
    elif response.content:
        result["text"] = bared(response.content.decode(), variables)
    return result


async def callers(alice: Client, bob: Client, db: Pool) -> dict[str, str | None]:
    """The tokens of those who may call."""
    now = ids.now()
    reader = await tokens.create(db, alice.account, ids.new_id(), name="reader", scopes=["read"], now=now)
    passed = now - timedelta(seconds=1)
    expired = await tokens.create(db, alice.account, ids.new_id(), name="old", scopes=["read"], now=now, expires_at=passed)
    operator = await tokens.create(db, None, ids.new_id(), name="operator", scopes=["operator"], now=now)
    gateway = await tokens.create(db, None, ids.new_id(), name="gateway", scopes=["gateway"], now=now)
    installation = {"operator": operator, "gateway": gateway}
    return {"alice": alice.token, "bob": bob.token, "nobody": None, "reader": reader, "expired": expired, **installation}


Header = tuple[str, str]
CM_HEADER, BEARER, KEY = ("X-CM-PRODUCTTOKEN", "{}"), ("Authorization", "Bearer {}"), ("Authorization", "Key {}")
"""How a dialect's clients send their token."""


async def play_as(
    alice: Client,
    bob: Client,
    db: Pool,
    case: Case,
    base: str,
    *,
    update: bool,
    header: Header = CM_HEADER,
    caller: str = "alice",
    beside: Beside = NOTHING,
) -> None:
    """`play` for Alice's account; `base` has `{accountId}` in it; `caller` is who asks unless a step says otherwise."""
    variables = {"account": str(alice.account), "token": alice.token, "token_id": str(alice.token_id), "other_account": str(bob.account)}
    variables["basic"] = base64.b64encode(f"{alice.token_id}:{alice.token}".encode()).decode()
    variables |= {name: str(client.account.int & (2**48 - 1)) for name, client in zip(COMPANIES, (alice, bob), strict=True)}
    variables |= beside.variables
    path = base.replace("{accountId}", str(alice.account))
    who = await callers(alice, bob, db)
    await play(case, path, who, variables, alice.base_url, update=update, header=header, caller=caller, beside=beside)


async def play(
    case: Case,
    base: str,
    callers: Mapping[str, str | None],
    variables: dict[str, str],
    server: httpx.URL,
    *,
    update: bool,
    header: Header,
    caller: str = "alice",
    beside: Beside = NOTHING,
) -> None:
    """Make the requests of a case, relative to `base`, and compare the answers, or write them into it."""
    async with httpx.AsyncClient(base_url=server.copy_with(path="/"), timeout=60, verify=False) as http:
        for step in case["steps"]:
            if "act" in step:
                name, *given = filled(step["act"], variables)
                variables |= await beside.acts[name](*given)
                continue
            arguments = request_of(step, variables, base)
            if (token := callers[step.get("as", caller)]) is not None and "curl" not in step:
                arguments["headers"].setdefault(header[0], header[1].format(token))
            response = await http.request(**arguments)
            while "until" in step and is_at_work(response.json()):
                await asyncio.sleep(0.05)
                response = await http.request(**arguments)
            for name, path in step.get("keep", {}).items():
                variables[name] = str(part_of(response.json(), path))
            beside.look(step, response)
            answer = told(response, step, variables)
            if "among" in step:
                whole = answer.pop("answer")
                assert has(whole, step["among"]), f"{arguments['method']} {arguments['url']}: {whole} has not {step['among']}"
            if update:
                for name in ("answer", "text"):
                    step.pop(name, None)
                step |= answer
            expected = {name: step[name] for name in ("status", "answer_headers", "answer", "text") if name in step}
            assert answer == expected, f"{arguments['method']} {arguments['url']}: {answer} instead of {expected}"


def routes_below(app: Litestar, base: str) -> list[tuple[str, str]]:
    """(method, path template) of every route under the base, but the reference."""
    routes = [route for route in app.routes if route.path_format.startswith(base) and "/reference" not in route.path_format]
    return sorted((method, route.path_format) for route in routes for method in route.methods if method != "OPTIONS")  # type: ignore[union-attr]


def calls(step: Step, endpoint: tuple[str, str], base: str) -> bool:
    """Whether the step asks for the endpoint."""
    method, _, path = step.get("request", "").partition(" ")
    path = path.partition("?")[0]
    path = path if path.startswith("/") else base + path
    return method == endpoint[0] and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", endpoint[1]), path) is not None
