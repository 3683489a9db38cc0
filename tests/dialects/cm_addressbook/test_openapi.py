"""The OpenAPI document tells the truth: whatever it allows is sent, and the answers are what it says."""

import csv
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

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
from reachbook.dialects.cm_addressbook import REFERENCE
from tests.routes import CM_ADDRESSBOOK
from tests.support import Server

ENDPOINTS = Path(__file__).parents[2] / "data" / "endpoints.tsv"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

# Tests are made when they are collected, before there is a server: a test below holds that it serves this very document.
DOCUMENT: dict[str, Any] = CM_ADDRESSBOOK.openapi_schema.to_schema()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig(seed=0))


class Book:
    """Alice's account for the generated requests, over one connection that is kept."""

    def __init__(self, url: str, account: str, token: str) -> None:
        self.url, self.account = url, account
        self.session = requests.Session()
        self.session.headers["X-CM-PRODUCTTOKEN"] = token

    def make(self, path: str, **properties: Any) -> str:
        """The id of a new object."""
        answer = self.session.post(f"{self.url}/addressbook/v2/accounts/{self.account}/{path}", json=properties, timeout=60)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def aim(self, case: Case) -> None:
        """Lead a case to this account, and two of three to objects that are there, newly made: what a case deletes the next one has."""
        parameters, query = case.path_parameters, case.query
        if "accountId" in parameters:
            parameters["accountId"] = self.account
        if zlib.crc32(repr(case).encode()) % 3 == 0:
            return
        wanted = {name for name in ("groupId", "contactId", "fieldId") if name in parameters}
        wanted |= {name[:-1] for name in ("groupIds", "contactIds") if isinstance(query, dict) and query.get(name)}
        made: dict[str, str] = {}
        if wanted & {"groupId", "contactId"}:
            made["groupId"] = self.make("groups", name="Readers")
            values = [{"fieldId": 6, "value": "Test Company"}]
            made["contactId"] = self.make(
                f"groups/{made['groupId']}/contacts", lastName="Doe", phoneNumber="0627100000", customValues=values
            )
        if "fieldId" in wanted:
            made["fieldId"] = self.make("fields", name=str(ids.new_id()))
        parameters |= {name: id for name, id in made.items() if name in parameters}
        if isinstance(query, dict):
            query |= {f"{name}s": [id] for name, id in made.items() if query.get(f"{name}s")}
        if isinstance(case.body, dict) and case.path.endswith(("/groups", "/fields", "/fields/{fieldId}")):
            case.body["name"] = case.body.get("name") or str(ids.new_id())
        parameters |= {name: value for name, value in (("tokenType", "sms"), ("tokenValue", "+31627100000")) if name in parameters}


@pytest.fixture(scope="session")
async def book(server: Server, db: Pool) -> Book:
    """One account for all operations of this worker."""
    account = await accounts.create(db, ids.new_id(), "Alice", "NL", ids.now())
    token = await tokens.create(db, account.id, ids.new_id(), name="Alice", scopes=tokens.ACCOUNT_SCOPES, now=ids.now())
    return Book(server.url, str(account.id), token)


def send(case: Case, book: Book) -> int:
    """Send one generated request and check the answer; its status."""
    book.aim(case)
    return case.call_and_validate(base_url=book.url, session=book.session, checks=CHECKS, timeout=60).status_code


@SCHEMA.parametrize()
@hypothesis.settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_operation(case: Case, book: Book, statuses: set[int]) -> None:
    statuses.add(send(case, book))


@pytest.mark.soak
@SCHEMA.parametrize()
@hypothesis.settings(max_examples=1_000, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_operation_at_length(case: Case, book: Book, statuses: set[int]) -> None:
    statuses.add(send(case, book))


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_dump_in_either_form(form: str, book: Book) -> None:
    group = book.make("groups", name="Readers")
    book.make(f"groups/{group}/contacts", lastName="Doe")
    operation = SCHEMA["/addressbook/v2/accounts/{accountId}/dump/{tokenType}"]["GET"]
    case = operation.Case(path_parameters={"accountId": book.account, "tokenType": "sms"}, query={"groupIds": [group], "format": form})
    answer = case.call_and_validate(base_url=book.url, session=book.session, checks=CHECKS, timeout=60)
    assert answer.status_code == 200
    assert "Doe" in answer.text


async def test_the_server_serves_this_document(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get(f"{REFERENCE}/openapi.json")).json() == DOCUMENT


async def test_making_the_document_changes_no_answer(anonymous: httpx.AsyncClient, book: Book) -> None:
    """Litestar puts path parameters that a handler does not take among those that it does."""
    assert (await anonymous.get(f"{REFERENCE}/openapi.json")).status_code == 200
    url = f"{book.url}/addressbook/v2/accounts/{book.account}/groups"
    answer = book.session.get(url, params={"take": "x"}, timeout=60)
    assert [fault["field"] for fault in answer.json()["errors"]] == ["take"]


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    SCHEMA.validate()


def test_every_endpoint_is_in_the_document() -> None:
    with ENDPOINTS.open() as file:
        endpoints = {(row["method"], row["path"]) for row in csv.DictReader(file, delimiter="\t") if row["dialect"] == "cm_addressbook"}
    documented = {(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert endpoints
    assert not endpoints - documented


def test_every_operation_says_what_it_does() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], f"{method} {path}"
            unsaid = [name["name"] for name in operation.get("parameters", ()) if name["in"] == "query" and not name.get("description")]
            assert not unsaid, f"{method} {path}: {unsaid}"


class Loaded(HTMLParser):
    """What a browser loads by itself for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Sources of scripts, styles, icons, pictures, frames."""
        for name, value in attrs:
            if value and ((tag, name) == ("link", "href") or name == "src"):
                self.urls.append((tag, value))


async def test_the_reference_page_needs_no_other_host(anonymous: httpx.AsyncClient) -> None:
    page = await anonymous.get(REFERENCE, headers={"accept": "text/html"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    loaded = Loaded()
    loaded.feed(page.text)
    assert {"script", "link"} <= {tag for tag, _ in loaded.urls}
    here = urlsplit(str(page.url)).netloc
    for tag, url in loaded.urls:
        if url.startswith("data:"):
            continue
        full = urljoin(str(page.url), url)
        assert urlsplit(full).netloc == here, f"{tag} from {url}"
        answer = await anonymous.get(full)
        assert answer.status_code == 200, url
        assert answer.content
        if url.endswith(".js"):
            assert "javascript" in answer.headers["content-type"]
        if url.endswith(".css"):
            assert answer.headers["content-type"].startswith("text/css")
            assert "@import" not in answer.text
            assert "url(http" not in answer.text.replace("'", "").replace('"', "")
