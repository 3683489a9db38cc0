"""The OpenAPI document tells the truth: whatever it allows is sent, and the answers are what it says."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import requests
import schemathesis
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from reachbook.core import accounts, ids, tokens
from reachbook.database.pool import Pool
from reachbook.dialects.digitaleo import REFERENCE
from tests.routes import DIGITALEO
from tests.support import Server

ENDPOINTS = Path(__file__).parents[2] / "data" / "endpoints.tsv"
BASE = "/digitaleo/rest"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SETTINGS: dict[str, Any] = {"deadline": None, "suppress_health_check": list(hypothesis.HealthCheck)}
PHONE = "+31627100000"

# Tests are made when they are collected, before there is a server: a test below holds that it serves this very document.
DOCUMENT: dict[str, Any] = DIGITALEO.openapi_schema.to_schema()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig(seed=0))


class Book:
    """Alice's account for the generated requests, over one connection that is kept."""

    def __init__(self, url: str, client: str, secret: str) -> None:
        self.url, self.client, self.secret = url, client, secret
        self.turn = 0
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {secret}"

    def make(self, resource: str, **properties: str) -> str:
        """The id of a new object."""
        answer = self.session.post(f"{self.url}{BASE}/{resource}", json=properties, timeout=60)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["list"][0]["id"])

    def aim(self, case: Case) -> None:
        """Leave every third case as it was made, and lead the others to objects that are there: what one deletes the next one has."""
        self.turn += 1
        if self.turn % 3 == 0 or case.method.lower() not in DOCUMENT["paths"][case.path]:
            return
        if case.path == "/oauth/token":
            case.body = {"grant_type": "client_credentials", "client_id": self.client, "client_secret": self.secret}
            return
        query = case.query = {name: value for name, value in (case.query or {}).items() if name not in UNREADABLE}
        resource = case.path.rpartition("/")[2]
        if case.method == "POST":
            case.body = BODIES[resource] | {name: value for name, value in _given(case).items() if name not in STRICT}
        if case.method in ("PUT", "DELETE"):
            query |= {"name": "mobile"} if resource == "fields" else {"id": self.make(resource, **BODIES[resource])}
        if case.method == "PUT":
            case.body = {"metaData": META[resource]()}


UNREADABLE = ("action", "limit", "offset", "sort", "total", "active", "priorities")
"""Parameters that must be of a form that the document can hardly give."""

STRICT = ("email", "phone", "mobile", "fax", "listIds", "smsOptout", "emailOptout", "voiceOptout", "voicemailOptout")
STRICT += ("name", "description", "type", "value", "reason")
BODIES: dict[str, dict[str, str]] = {
    "contacts": {"lastName": "Doe", "mobile": PHONE},
    "lists": {"name": "Readers"},
    "optouts": {"type": "sms", "value": PHONE},
}
META: dict[str, Callable[[], dict[str, str]]] = {
    "contacts": lambda: {"firstName": "Ann", "smsOptout": "contact"},
    "lists": lambda: {"name": "Customers"},
    "optouts": lambda: {"reason": "contact"},
    "fields": lambda: {"alias": str(ids.new_id())},
}


def _given(case: Case) -> dict[str, Any]:
    return case.body if isinstance(case.body, dict) else {}


@pytest.fixture(scope="session")
async def book(server: Server, db: Pool) -> Book:
    """One account for all operations of this worker."""
    account = await accounts.create(db, ids.new_id(), "Alice", "NL", ids.now())
    client = ids.new_id()
    token = await tokens.create(db, account.id, client, name="Alice", scopes=tokens.ACCOUNT_SCOPES, now=ids.now())
    return Book(server.url, str(client), token)


def send(case: Case, book: Book) -> int:
    """Send one generated request and check the answer; its status."""
    book.aim(case)
    return case.call_and_validate(base_url=book.url, session=book.session, checks=CHECKS, timeout=20).status_code


@SCHEMA.parametrize()
@hypothesis.settings(max_examples=8, derandomize=True, database=None, **SETTINGS)
def test_operation(case: Case, book: Book, statuses: set[int]) -> None:
    statuses.add(send(case, book))


@pytest.mark.soak
@SCHEMA.parametrize()
@hypothesis.settings(max_examples=500, database=None, **SETTINGS)
def test_operation_at_length(case: Case, book: Book, statuses: set[int]) -> None:
    statuses.add(send(case, book))


@pytest.mark.parametrize("resource", ["contacts", "lists", "optouts", "fields"])
def test_a_read_that_has_something_in_either_form(resource: str, book: Book) -> None:
    if resource in BODIES:
        book.make(resource, **BODIES[resource])
    for headers in ({}, {"Accept": "text/csv"}):
        case = SCHEMA[f"{BASE}/{resource}"]["GET"].Case(query={"limit": 1})
        answer = case.call_and_validate(base_url=book.url, session=book.session, headers=headers, checks=CHECKS, timeout=20)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == ["text/csv; charset=utf-8" if headers else "application/json"]


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status"),
    [
        ("POST", "/contacts", {"json": {"email": "ann@"}}, 417),
        ("POST", "/contacts", {"json": {"mobile": "12"}}, 400),
        ("POST", "/contacts", {"json": [{}] * 10_001}, 413),
        ("GET", "/contacts", {"headers": {"Authorization": "Bearer nothing"}}, 401),
    ],
    ids=["an e-mail", "a number", "too many", "a token"],
)
def test_what_is_refused(method: str, path: str, arguments: dict[str, Any], status: int, book: Book) -> None:
    answer = book.session.request(method, f"{book.url}{BASE}{path}", timeout=20, **arguments)
    assert answer.status_code == status
    SCHEMA[f"{BASE}{path}"][method].validate_response(answer)


def test_an_import_fits_the_document(book: Book) -> None:
    """It is in the document as the action of a POST."""
    files = {"contactFile": ("customers.csv", b"First name\nAnn\n")}
    answer = book.session.post(f"{book.url}{BASE}/contacts", params={"action": "import"}, files=files, timeout=20)
    assert answer.status_code == 200
    SCHEMA[f"{BASE}/lists"]["GET"].validate_response(answer)


async def test_the_server_serves_this_document(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get(f"{REFERENCE}/openapi.json")).json() == DOCUMENT


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    SCHEMA.validate()


def test_every_endpoint_is_in_the_document() -> None:
    with ENDPOINTS.open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["dialect"] == "digitaleo"]
    endpoints = {(row["method"], row["path"].partition("?")[0]) for row in rows}
    documented = {(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert endpoints
    assert endpoints == documented


def test_every_operation_says_what_it_does() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], f"{method} {path}"
            unsaid = [name["name"] for name in operation.get("parameters", ()) if name["in"] == "query" and not name.get("description")]
            assert not unsaid, f"{method} {path}: {unsaid}"


def test_every_operation_but_the_tokens_asks_for_a_token() -> None:
    assert DOCUMENT["security"] == [{"bearer": []}]
    assert DOCUMENT["components"]["securitySchemes"]["bearer"] == {"type": "http", "scheme": "bearer"}
    without = {path for path, operations in DOCUMENT["paths"].items() for one in operations.values() if one.get("security") == [{}]}
    assert without == {"/oauth/token"}


async def test_the_reference_page(anonymous: httpx.AsyncClient) -> None:
    page = await anonymous.get(REFERENCE, headers={"accept": "text/html"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "https://" not in page.text
