"""The OpenAPI document tells the truth: whatever it allows is sent, and the answers are what it says."""

import base64
import csv
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
from reachbook.dialects.devino import REFERENCE
from tests.routes import DEVINO
from tests.support import Server

ENDPOINTS = Path(__file__).parents[2] / "data" / "endpoints.tsv"
BASE = "/address-book-api"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SETTINGS: dict[str, Any] = {"deadline": None, "suppress_health_check": list(hypothesis.HealthCheck)}
DEVICE = {"appId": "app", "os": 1, "pushToken": "token"}

# Tests are made when they are collected, before there is a server: a test below holds that it serves this very document.
DOCUMENT: dict[str, Any] = DEVINO.openapi_schema.to_schema()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig(seed=0))

UNREADABLE = ("limit", "offset", "zoneOffset", "type", "from", "to", "segmentId", "sortByField")
UNREADABLE += ("queryName", "queryOperator", "queryValue", "subscriptionChannel", "subscriptionState")
"""Parameters that must be of a form that the document can hardly give."""


class Book:
    """Alice's account for the generated requests, over one connection that is kept. Its list has contacts with everything."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token, self.turn = url, token, 0
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Key {token}"
        self.list = self.make(name="App", type="PUSH", fields=[{"name": "Points", "type": 2}])
        contact = {"phone": "79100000001", "email": "ann@example.com", "fields": [{"name": "Points", "value": "7"}], "pushInfo": [DEVICE]}
        self._post("contacts/batch", {"contactGroupId": self.list, "contacts": [contact]})
        stop_list = self.make(name="Stop", type="STOPLIST")
        self._post("contacts/batch", {"contactGroupId": stop_list, "contacts": [{"phone": "79100000001", "email": "ann@example.com"}]})

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.session.post(f"{self.url}{BASE}/{path}", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def make(self, **properties: Any) -> str:
        """The id of a new list."""
        return self._post("contact-groups", properties)

    def aim(self, case: Case) -> None:
        """Leave every third case as it was made, and lead the others to lists that are there: what one deletes the next one has."""
        self.turn += 1
        if self.turn % 3 == 0 or case.method.lower() not in DOCUMENT["paths"][case.path]:
            return
        query = case.query = {name: value for name, value in (case.query or {}).items() if name not in UNREADABLE}
        body = case.body if isinstance(case.body, dict) else {}
        if case.path.endswith("/batch"):
            case.body = {"contacts": []} | body | {"contactGroupId": self.list, "duplicateCheckField": "email"}
        elif case.method == "POST":
            case.body = {"name": "Readers", "autoDeleteEnabled": body.get("autoDeleteEnabled")}
        elif case.method == "DELETE":
            query["ids"] = [self.make(name="Readers"), "5435476543542"]
        elif case.path.endswith("/range"):
            query.pop("pushToken", None)
            query["contactGroupId"] = self.list


@pytest.fixture(scope="session")
async def book(server: Server, db: Pool) -> Book:
    """One account for all operations of this worker."""
    account = await accounts.create(db, ids.new_id(), "Alice", "NL", ids.now())
    token = await tokens.create(db, account.id, ids.new_id(), name="Alice", scopes=tokens.ACCOUNT_SCOPES, now=ids.now())
    return Book(server.url, token)


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


@pytest.mark.parametrize(("path", "has"), [("contact-groups", "fields"), ("contacts/http/range", "unsubscribedData")])
def test_lists_and_contacts_that_have_everything_fit_the_document(path: str, has: str, book: Book) -> None:
    answer = book.session.get(f"{book.url}{BASE}/{path}", params={"contactGroupId": book.list}, timeout=20)
    assert answer.json()["result"][0][has]
    SCHEMA[f"{BASE}/{path}"]["GET"].validate_response(answer)


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status"),
    [
        ("POST", "/contact-groups", {"json": {}}, 400),
        ("POST", "/contacts/batch", {"json": {"contactGroupId": 1, "contacts": []}}, 404),
        ("POST", "/contacts/batch", {"data": b" " * (20 * 2**20 + 1)}, 413),
        ("GET", "/contact-groups", {"headers": {"Authorization": "Key nothing"}}, 401),
        ("GET", "/contacts/http/range", {"params": {"contactGroupId": "1"}}, 404),
        ("DELETE", "/contacts-groups", {}, 400),
    ],
    ids=["no name", "no such list", "too large", "a token", "no such list to read", "no ids"],
)
def test_what_is_refused(method: str, path: str, arguments: dict[str, Any], status: int, book: Book) -> None:
    answer = book.session.request(method, f"{book.url}{BASE}{path}", timeout=20, **arguments)
    assert answer.status_code == status
    assert answer.json()["result"] is None
    assert answer.json()["description"].startswith("Key error: (parameter: ")
    SCHEMA[f"{BASE}{path}"][method].validate_response(answer)


def test_basic_with_the_id_of_another_token(book: Book) -> None:
    basic = base64.b64encode(f"{ids.new_id()}:{book.token}".encode()).decode()
    answer = book.session.get(f"{book.url}{BASE}/contact-groups", headers={"Authorization": f"Basic {basic}"}, timeout=20)
    assert answer.status_code == 401
    assert answer.json()["reasons"][0]["key"] == "authorization.invalid"


async def test_the_server_serves_this_document(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get(f"{REFERENCE}/openapi.json")).json() == DOCUMENT


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    SCHEMA.validate()


def test_every_endpoint_is_in_the_document() -> None:
    with ENDPOINTS.open() as file:
        endpoints = {(row["method"], row["path"]) for row in csv.DictReader(file, delimiter="\t") if row["dialect"] == "devino"}
    documented = {(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert endpoints
    assert endpoints == documented


def test_every_operation_says_what_it_does() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], f"{method} {path}"
            unsaid = [name["name"] for name in operation.get("parameters", ()) if name["in"] == "query" and not name.get("description")]
            assert not unsaid, f"{method} {path}: {unsaid}"


def test_every_operation_asks_for_a_token() -> None:
    assert DOCUMENT["security"] == [{"key": []}]
    scheme = DOCUMENT["components"]["securitySchemes"]["key"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "Authorization")
    assert not [path for path, operations in DOCUMENT["paths"].items() for one in operations.values() if "security" in one]


async def test_the_reference_page(anonymous: httpx.AsyncClient) -> None:
    page = await anonymous.get(REFERENCE, headers={"accept": "text/html"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "https://" not in page.text
