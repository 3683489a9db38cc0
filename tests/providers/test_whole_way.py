"""The whole way with processes as an operator starts them: settings, worker, web process, Meta's webhook; and what the log says of it."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from reachbook.core.ids import AccountId
from reachbook.database.location import Location
from reachbook.database.pool import Pool
from tests.processes import SECONDS, Noted
from tests.providers.desk import business, language, shown, validated
from tests.providers.graph import APP_SECRET, TOKEN, VERIFY_TOKEN, Graph, GraphError, post, webhook


async def test_served(idle: Pool, location: Location, account: AccountId, graph: Graph, tmp_path: Path) -> None:
    request, id = await business(idle, account)
    graph.fail(GraphError(400, 100, f"Invalid parameter {TOKEN}"), "POST")
    refused = await validated(idle, account, request)
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    secrets = {"meta_token_file": str(token), "meta_app_secret": APP_SECRET, "meta_verify_token": VERIFY_TOKEN}
    server = Noted(tmp_path / "notes", location, **secrets, meta_graph_url=graph.graph_url, log_level="debug", log_format="json")
    await asyncio.to_thread(server.start)
    try:
        while (await shown(idle, account, refused)).error is None:
            await asyncio.sleep(0.05)
        template = await validated(idle, account, request)
        await until(lambda: bool(graph.templates))
        made = graph.named(template.facebook_name)
        while (await shown(idle, account, template)).status != "PENDING":
            await asyncio.sleep(0.05)
        answer = await post(server.url, webhook(id, made, "APPROVED", time.time() + 1))
        assert answer.json() == {"received": 1, "known": 1}
        assert (await post(server.url, b"{}", secret="another")).status_code == 401
        assert (await language(idle, account, template)).state == "active"
        assert (await shown(idle, account, refused)).error == "Meta says: Invalid parameter … (100)"
    finally:
        await asyncio.to_thread(server.stop)
    said = server.out.read_text() + server.err.read_text()
    assert "template submitted" in said
    assert "template not submitted" in said
    assert not [secret for secret in (TOKEN, APP_SECRET, VERIFY_TOKEN) if secret in said]


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
