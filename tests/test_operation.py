"""What an operator lives on: health, readiness, figures, logs, limits, and an orderly end."""

import asyncio
import contextlib
import json
import re
import select
import socket
import struct
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from reachbook.database.embedded import open_embedded
from reachbook.database.location import Location
from reachbook.database.pool import Pool
from tests.core.channels import number_type, rent
from tests.processes import SECONDS, Noted, kill_postgres, run
from tests.routes import CM_ADDRESSBOOK, CM_CHANNELS
from tests.support import Client, Server, new_client

BASE = "/addressbook/v2/accounts/{accountId}"
MEGABYTE = 2**20
PUBLIC = "https://reachbook.example.com/desk/"

Labels = tuple[tuple[str, str], ...]
Figures = dict[tuple[str, Labels], float]


@pytest.fixture(scope="session")
def noted(location: Location, tmp_path_factory: pytest.TempPathFactory) -> Generator[Noted]:
    """A server whose log is kept, and which clients reach by another address."""
    with Noted(tmp_path_factory.mktemp("noted"), location, public_url=PUBLIC) as running:
        yield running


@pytest.fixture
async def carol(db: Pool, noted: Noted) -> AsyncGenerator[Client]:
    """A client of that server."""
    async with await new_client(db, noted.url, "Carol", "NL") as client:
        yield client


async def figures(url: str) -> Figures:
    """What /metrics says."""
    async with httpx.AsyncClient(timeout=60, verify=False) as http:
        answer = await http.get(f"{url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def total(of: Figures, name: str, **labels: str) -> float:
    """The sum of the samples that have these labels; `route` is given without the account's part."""
    wanted = {label: value for label, value in labels.items() if label != "route"}
    route = labels.get("route")
    return sum(
        value
        for (sample, having), value in of.items()
        if sample == name
        and wanted.items() <= dict(having).items()
        and (route is None or re.sub(r":\w+}", "}", dict(having).get("route", "")).removeprefix(BASE) == route)
    )


async def until(condition: Callable[[], Any]) -> None:
    """Wait for what must come, however long it takes here."""
    deadline = time.monotonic() + SECONDS
    while not await condition():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.1)


# Health and readiness


async def test_healthy_and_ready(anonymous: httpx.AsyncClient) -> None:
    health, ready = await anonymous.get("/healthz"), await anonymous.get("/readyz")
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "missing": []})


async def test_not_ready_without_a_migration(anonymous: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    forgotten = await owner.fetchrow("SELECT * FROM _pogo_migration ORDER BY migration_id DESC LIMIT 1")
    await owner.execute("DELETE FROM _pogo_migration WHERE migration_id = $1", forgotten["migration_id"])
    try:
        ready = await anonymous.get("/readyz")
        assert ready.status_code == 503
        assert ready.json() == {"ready": False, "missing": [f"migration {forgotten['migration_id']}"]}
        assert (await anonymous.get("/healthz")).status_code == 200
    finally:
        names = ", ".join(forgotten.keys())
        places = ", ".join(f"${number}" for number in range(1, len(forgotten) + 1))
        await owner.execute(f"INSERT INTO _pogo_migration ({names}) VALUES ({places})", *forgotten.values())
    assert (await anonymous.get("/readyz")).status_code == 200


async def test_the_database_goes_away_and_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    holder = open_embedded(folder)
    try:
        with Server(Location(holder.owner_url, holder.app_url)) as server, httpx.Client(base_url=server.url, timeout=60) as http:
            made = run("account", "create", "Acme", "--json", location=Location(holder.owner_url, holder.app_url))
            account = json.loads(made.stdout)["id"]
            token = run("token", "create", "--account", account, "--json", location=Location(holder.owner_url, holder.app_url))
            http.headers["X-CM-PRODUCTTOKEN"] = json.loads(token.stdout)["token"]
            groups = f"/addressbook/v2/accounts/{account}/groups"
            assert http.get(groups).status_code == 200
            kill_postgres(folder)
            ready = http.get("/readyz")
            assert ready.status_code == 503
            assert not ready.json()["ready"]
            assert "database" in ready.json()["missing"][0]
            for path in (groups, f"{groups}/{account}", "/echo/v1.0/sso2"):
                answer = http.get(path)
                assert answer.status_code == 503, answer.text
                assert answer.json()["message"]
                assert answer.json()["MessageDetail"]
            assert http.get("/healthz").status_code == 200
            unavailable = http.get("/metrics")
            assert unavailable.status_code == 200, "figures are wanted most when something is wrong"
            assert 'status="503"' in unavailable.text
            again = open_embedded(folder)
            await until(lambda: asyncio.to_thread(lambda: http.get("/readyz").status_code == 200))
            assert http.get(groups).status_code == 200
            assert server.stop() == 0
            again.close()
    finally:
        kill_postgres(folder)


# Figures


async def test_requests_are_counted_by_route_and_status(carol: Client, noted: Noted) -> None:
    group = await carol.group()
    before = await figures(noted.url)
    v1 = f"{noted.url}/addressbook/v1.0/groups?accountId={carol.account}"
    async with httpx.AsyncClient(headers=carol.headers, timeout=60, verify=False) as http:
        for _ in range(3):
            assert (await carol.get("groups")).status_code == 200
        assert (await http.get(v1)).status_code == 200
        assert (await carol.get(f"groups/{group['id']}")).status_code == 200
        assert (await carol.get(f"groups/{carol.account}")).status_code == 404
        assert (await carol.post("groups", json={})).status_code == 400
        assert (await http.get(f"{noted.url}/nobody/lives/here")).status_code == 404
        assert (await http.request("BREW", f"{noted.url}/healthz")).status_code == 405
    after = await figures(noted.url)

    def more(**labels: str) -> list[float]:
        names = ("reachbook_http_requests_total", "reachbook_http_request_seconds_count")
        timed = {label: value for label, value in labels.items() if label != "status"}
        return [total(after, name, **wanted) - total(before, name, **wanted) for name, wanted in zip(names, (labels, timed), strict=True)]

    assert more(method="GET", route="/groups", status="200") == [4, 4], "three by v2, one by v1.0"
    assert more(method="GET", route="/groups/{groupId}", status="200") == [1, 2]
    assert more(method="GET", route="/groups/{groupId}", status="404") == [1, 2]
    assert more(method="POST", route="/groups", status="400") == [1, 1]
    assert more(method="GET", route="unmatched", status="404") == [1, 1]
    assert more(method="OTHER", status="405") == [1, 1]
    name, labels = "reachbook_http_request_seconds", {"method": "GET", "route": "/groups"}
    assert total(after, f"{name}_bucket", le="+Inf", **labels) == total(after, f"{name}_count", **labels)
    assert total(after, f"{name}_sum", **labels) > total(before, f"{name}_sum", **labels)


async def test_figures_of_the_book_follow_it(carol: Client, noted: Noted) -> None:
    before = await figures(noted.url)
    group = (await carol.group())["id"]
    rows = [{"firstName": f"Reader {number}", "phoneNumber": f"+3162710{number:04}"} for number in range(3)]
    assert (await carol.post(f"groups/{group}/contacts-bulk?delayIndexing=true", json=rows)).status_code == 201
    assert (await carol.post("optout/sms/+31627100000")).status_code == 200
    assert (await carol.delete("optout/email/reader@example.com")).status_code == 200
    after = await figures(noted.url)

    def more(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    assert more("reachbook_groups") == 1
    assert more("reachbook_contacts") == 3
    assert more("reachbook_consent_tokens", type="sms", state="opted_out") == 1
    assert more("reachbook_consent_tokens", type="email", state="opted_in") == 1
    # Others' work may wait there too, and be done meanwhile: what is ours only makes it less when it is done.
    waiting = total(after, "reachbook_queue_depth", queue="indexing")
    assert waiting >= 1
    assert (await carol.post(f"groups/{group}/contacts-bulk", json=[])).status_code == 201
    assert total(await figures(noted.url), "reachbook_queue_depth", queue="indexing") < waiting
    assert (await carol.delete(f"groups/{group}")).status_code == 204
    assert total(await figures(noted.url), "reachbook_contacts") == total(before, "reachbook_contacts")


async def test_figures_of_the_pool(carol: Client, noted: Noted) -> None:
    assert (await carol.get("groups")).status_code == 200
    now = await figures(noted.url)
    states = {state: total(now, "reachbook_database_connections", state=state) for state in ("size", "idle", "most", "waiting")}
    assert states["most"] == 10
    assert 1 <= states["size"] <= states["most"]
    assert states["idle"] <= states["size"]
    assert states["waiting"] == 0


async def test_labels_never_hold_ids(carol: Client, noted: Noted) -> None:
    group = (await carol.group())["id"]
    contact = (await carol.contact(group, email="reader@example.com", phoneNumber="+31627100000"))["id"]
    for path in (f"groups/{group}", f"contacts/{contact}", "optout/sms/+31627100000", "optout/email/reader@example.com", "fields/123456"):
        await carol.get(path)
        await carol.get(f"no/such/{path}")
    routes = [*CM_ADDRESSBOOK.routes, *CM_CHANNELS.routes]
    templates = {template for route in routes for template in (route.path, route.path_format)}
    templates |= {"unmatched", "/", "/healthz", "/readyz", "/metrics"}
    seen = {label: {dict(labels).get(label) for _, labels in await figures(noted.url)} for label in ("route", "method", "status")}
    labels = {route for route in seen["route"] if route and not route.startswith("/assets/")}
    assert any(route.startswith(BASE.split("{", maxsplit=1)[0]) for route in labels)
    assert not labels - templates
    everything = [value for _, labels in await figures(noted.url) for _, value in labels]
    assert not [value for value in everything if re.search(r"[0-9a-f]{8}-[0-9a-f]{4}|@|\d{5,}", value)]
    assert all(re.fullmatch(r"\d{3}", status) for status in seen["status"] if status)


async def test_figures_are_those_of_all_processes(location: Location, db: Pool) -> None:
    with Server(location, processes="2") as server:
        client = await new_client(db, server.url, "Carol", "NL")
        for _ in range(20):  # a connection each: they spread over the processes
            async with httpx.AsyncClient(base_url=client.base_url, headers=client.headers, timeout=60, verify=False) as http:
                assert (await http.get("groups")).status_code == 200
        await client.aclose()
        for _ in range(5):
            assert total(await figures(server.url), "reachbook_http_requests_total", route="/groups", status="200") == 20


# Request ids and logs


async def test_every_answer_has_a_request_id(alice: Client, anonymous: httpx.AsyncClient) -> None:
    missing = "/addressbook/v2/nothing"
    answers = [await anonymous.get("/healthz"), await anonymous.get(missing), await anonymous.get("/nothing"), await alice.get("groups")]
    answers += [await alice.get("groups/42"), await alice.post("fields", content=b"{"), await alice.request("PATCH", "groups")]
    answers += [await anonymous.get(str(alice.base_url) + "groups"), await anonymous.get("/addressbook/v2/reference")]
    assert [answer.status_code for answer in answers] == [200, 404, 404, 200, 404, 400, 405, 401, 200]
    given = [answer.headers.get_list("x-request-id") for answer in answers]
    assert all(len(ids) == 1 and len(ids[0]) >= 16 for ids in given)
    assert len({ids[0] for ids in given}) == len(answers)


@pytest.mark.parametrize("id", ["7f3a", "trace-00.ABC_1", "x" * 64])
async def test_a_sane_request_id_is_taken_over(anonymous: httpx.AsyncClient, id: str) -> None:
    for path in ("/healthz", "/addressbook/v2/nothing"):
        assert (await anonymous.get(path, headers={"X-Request-Id": id})).headers.get_list("x-request-id") == [id]


@pytest.mark.parametrize("id", ["", "two words", "x" * 65, "<script>", 'quo"ted', "tab\there", "é"])
async def test_an_odd_request_id_is_not(anonymous: httpx.AsyncClient, id: str) -> None:
    answered = (await anonymous.get("/healthz", headers={"X-Request-Id": id.encode()})).headers.get_list("x-request-id")
    assert len(answered) == 1
    assert re.fullmatch(r"[A-Za-z0-9._-]{16,64}", answered[0])


async def test_the_log_is_json_with_the_request_id(carol: Client, noted: Noted) -> None:
    contact = (await carol.contact((await carol.group())["id"], lastName="Wonderland", email="reader@example.com"))["id"]
    for id, path, status in (("good-1", f"contacts/{contact}", 200), ("bad-1", "optout/sms/+31627109999", 404), ("none-1", "nowhere", 404)):
        assert (await carol.get(path, headers={"X-Request-Id": id})).status_code == status
    await until(lambda: asyncio.to_thread(lambda: "none-1" in noted.err.read_text()))
    text = noted.err.read_text()
    events = [json.loads(line) for line in text.splitlines()]
    by_id = {event["request_id"]: event for event in events if "request_id" in event}
    assert by_id["good-1"]["event"] == "request"
    assert by_id["good-1"]["method"] == "GET"
    assert by_id["good-1"]["status"] == 200
    assert by_id["good-1"]["route"].startswith("/addressbook/v2/accounts/{")
    assert by_id["good-1"]["ms"] > 0
    assert by_id["bad-1"]["status"] == by_id["none-1"]["status"] == 404
    assert all(event["timestamp"].endswith("Z") and event["level"] for event in events)
    # Neither who asks nor whom about: logs travel further than the data may.
    for secret in (carol.token, "Wonderland", "reader@example.com", "31627109999", contact):
        assert secret not in text


# Limits


def assert_refused(answer: httpx.Response, status: int) -> None:
    """An error in the wire's own shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json()["message"]
    assert answer.json()["MessageDetail"]


def pieces(size: int) -> Iterator[bytes]:
    """An empty array of so many bytes."""
    yield b"["
    for start in range(2, size, MEGABYTE):
        yield b" " * min(MEGABYTE, size - start)
    yield b"]"


@pytest.mark.parametrize("form", ["length known", "chunked"])
async def test_a_body_over_the_limit(alice: Client, form: str) -> None:
    path = f"groups/{(await alice.group())['id']}/contacts-bulk"

    async def chunks(size: int) -> AsyncGenerator[bytes]:
        for piece in pieces(size):
            yield piece

    def content(size: int) -> Any:
        return chunks(size) if form == "chunked" else b"".join(pieces(size))

    assert (await alice.post(path, content=content(20 * MEGABYTE))).json() == {"created": 0}
    for size in (20 * MEGABYTE + 1, 25 * MEGABYTE):
        assert_refused(await alice.post(path, content=content(size)), 413)
    assert (await alice.get("groups")).status_code == 200


async def test_too_many_rows(alice: Client) -> None:
    group = (await alice.group())["id"]
    most = 10_000
    contacts: list[dict[str, Any]] = [{"lastName": "Doe"}] * most
    opt_outs = [{"type": "sms", "value": f"+316271{number:05}"} for number in range(most)]
    for path, rows, accepted in ((f"groups/{group}/contacts-bulk", contacts, 201), ("optout/bulk", opt_outs, 200)):
        assert_refused(await alice.post(path, json=[*rows, rows[0]]), 413)
        answer = await alice.post(path, json=rows)
        assert answer.status_code == accepted, answer.text
    assert (await alice.get(f"groups/{group}")).json()["contactsAmount"] == most
    assert (await alice.get("optout", params={"take": 0})).headers["x-cm-pagination-total"] == str(most)


# Connections by hand


def dialled(server: Server, buffer: int | None = None) -> socket.socket:
    """A bare connection; `buffer` is how much of an answer is taken unread."""
    connection = socket.socket()
    connection.settimeout(SECONDS)
    if buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.connect(("127.0.0.1", server.port))
    return connection


def head(client: Client, method: str, path: str, **headers: object) -> bytes:
    """The first lines of a request."""
    lines = [f"{method} {urlsplit(str(client.base_url)).path}{path} HTTP/1.1", "Host: localhost", f"X-CM-PRODUCTTOKEN: {client.token}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read_answer(connection: socket.socket) -> httpx.Response:
    """The rest of the answer on a bare connection; the server ends it, or it has a length."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        assert piece, f"the connection was cut: {received!r}"
        received += piece
    top, _, body = received.partition(b"\r\n\r\n")
    status, *lines = top.decode("latin-1").split("\r\n")
    headers = httpx.Headers([tuple(line.split(": ", 1)) for line in lines])  # type: ignore[misc]
    while len(body) < int(headers["content-length"]):
        body += connection.recv(65536)
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)


async def test_a_request_that_takes_too_long(location: Location, db: Pool) -> None:
    with Server(location, request_seconds="1") as server:
        async with await new_client(db, server.url, "Carol", "NL") as carol:
            length = 10_000
            with dialled(server) as connection:
                connection.sendall(head(carol, "POST", "fields", Content_Length=length, Content_Type="application/json"))
                sent = 0
                # It is not a pause that ends it but the whole time: something arrives all along.
                while sent < length and not select.select([connection], [], [], 0.1)[0]:
                    connection.sendall(b" ")
                    sent += 1
                assert_refused(read_answer(connection), 503)
            assert (await carol.get("groups")).status_code == 200


@pytest.fixture(scope="session")
def heavy() -> list[dict[str, Any]]:
    """Contacts whose dump is far more than sockets hold: 16 MB."""
    return [{"lastName": f"Reader {number}", "customValues": [{"fieldId": 7, "value": "x" * 4_000}]} for number in range(4_000)]


async def heavy_group(client: Client, heavy: list[dict[str, Any]]) -> str:
    """A group of them."""
    group = (await client.group())["id"]
    assert (await client.post(f"groups/{group}/contacts-bulk?delayIndexing=true", json=heavy)).json() == {"created": len(heavy)}
    return str(group)


async def test_clients_that_break_off_do_no_harm(alice: Client, server: Server, heavy: list[dict[str, Any]]) -> None:
    group = await heavy_group(alice, heavy)
    connections = [dialled(server, buffer=4096) for _ in range(12)]  # more than the pool has connections
    for connection in connections:
        connection.sendall(head(alice, "GET", f"dump/sms?groupIds={group}&format=csv"))
    started = select.select(connections, [], [], SECONDS)[0]
    assert started
    assert started[0].recv(512).startswith(b"HTTP/1.1 200")
    # Twelve that don't read on: others are served all the same.
    assert (await alice.get("groups")).status_code == 200
    assert (await alice.contact(group, lastName="Late"))["lastName"] == "Late"
    for connection in connections:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset, as when a machine is gone
        connection.close()

    async def all_back() -> bool:
        now = await figures(server.url)
        size, idle = (total(now, "reachbook_database_connections", state=state) for state in ("size", "idle"))
        return total(now, "reachbook_database_connections", state="waiting") == 0 and idle == size

    await until(all_back)
    table = (await alice.get("dump/sms", params={"groupIds": group, "format": "csv"})).text
    assert table.count("\r\n") == len(heavy) + 2


# The end


async def refused(server: Server) -> None:
    """Wait until the server takes no new connection."""

    async def closed() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=5):
            return False
        return True

    await until(closed)


async def test_a_stop_lets_an_upload_end(location: Location, db: Pool, owner: asyncpg.Connection, heavy: list[dict[str, Any]]) -> None:
    server = Server(location).start()
    async with await new_client(db, server.url, "Carol", "NL") as carol:
        group = (await carol.group())["id"]
        body = json.dumps(heavy[:2_000]).encode()
        with dialled(server) as connection:
            path = f"groups/{group}/contacts-bulk?delayIndexing=true"
            connection.sendall(head(carol, "POST", path, Content_Length=len(body), Content_Type="application/json"))
            connection.sendall(body[: len(body) // 2])
            stopped = asyncio.create_task(asyncio.to_thread(server.stop))
            await refused(server)
            await asyncio.to_thread(connection.sendall, body[len(body) // 2 :])
            answer = await asyncio.to_thread(read_answer, connection)
        assert (answer.status_code, answer.json()) == (201, {"created": 2_000})
        assert await stopped == 0
        assert await owner.fetchval("SELECT count(*) FROM contact WHERE account_id = $1", carol.account) == 2_000


async def test_a_stop_lets_a_dump_end(location: Location, db: Pool, heavy: list[dict[str, Any]]) -> None:
    server = Server(location).start()
    async with await new_client(db, server.url, "Carol", "NL") as carol:
        group = await heavy_group(carol, heavy)
        async with carol.stream("GET", "dump/sms", params={"groupIds": group, "format": "csv"}) as answer:
            assert answer.status_code == 200
            stream = answer.aiter_bytes()
            table = await anext(stream)
            stopped = asyncio.create_task(asyncio.to_thread(server.stop))
            await refused(server)
            async for piece in stream:  # raises when the transfer is cut
                table += piece
        assert table.count(b"\r\n") == len(heavy) + 1
        assert await stopped == 0


async def test_an_idle_connection_holds_up_no_stop(location: Location) -> None:
    server = Server(location).start()
    async with httpx.AsyncClient(base_url=server.url, timeout=60, verify=False) as http:
        assert (await http.get("/healthz")).status_code == 200
        with dialled(server):
            assert await asyncio.to_thread(server.stop) == 0


async def test_pages_have_the_address_by_which_clients_reach_the_server(
    db: Pool, carol: Client, alice: Client, noted: Noted, server: Server
) -> None:
    await rent(db, carol.account, await number_type(db))
    await rent(db, alice.account, await number_type(db))
    for client, url, base in ((carol, noted.url, PUBLIC), (alice, server.url, f"{server.url}/")):
        answer = await client.get(f"{url}/channels/v1/accounts/{client.account}/channels")
        assert answer.status_code == 200, answer.text
        found = answer.json()["available"]["sms"]["numbers"]
        urls = [channel["channelUrl"] for channel in found]
        assert len(urls) == 1
        assert urls[0].startswith(f"{base}console/channels/{client.account}/sms/"), urls
