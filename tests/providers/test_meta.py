"""Graph's client by itself: pages of a list, what an error says and does not say, signatures."""

import traceback
from uuid import UUID

import pytest
from aiohttp import ClientSession, web
from hypothesis import given
from hypothesis import strategies as st

from reachbook.core.ids import AccountId
from reachbook.core.provider_templates import Submission
from reachbook.providers import meta as providers_meta
from reachbook.providers.meta import Meta, RefusedError, is_signed
from reachbook.providers.outbound import NoAnswerError
from tests.providers.graph import APP_SECRET, CODE, TOKEN, Graph, GraphError, serving, signature

BUSINESS, PHONE = "102290129340398", "110200345501442"
NOBODY = UUID(int=0)


def submission(name: str = "order", content: str = "On its way.", fields: tuple[str, ...] = ()) -> Submission:
    return Submission(AccountId(NOBODY), NOBODY, BUSINESS, None, name, "en_US", "UTILITY", content, fields)


def said(error: BaseException) -> str:
    """All that a log could say of it."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.__cause__)


async def test_all_pages_are_read(graph: Graph, meta: Meta, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers_meta, "LIMIT", 2)
    for number in range(5):
        await meta.submit(submission(f"order_{number}"))
    graph.asked.clear()
    listed = [one async for one in meta.templates(BUSINESS)]
    assert [(one.business_id, one.name, one.code, one.status, one.reason) for one in listed] == [
        (BUSINESS, f"order_{number}", "en_US", "PENDING", None) for number in range(5)
    ]
    assert [asked.query.get("after") for asked in graph.asked] == [None, "2", "4"]
    assert {asked.query["fields"] for asked in graph.asked} == {"id,name,language,status,rejected_reason,category"}


async def test_another_host_is_never_asked(graph: Graph, meta: Meta, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for the next page, and not by a redirect: it would get the token."""
    monkeypatch.setattr(providers_meta, "LIMIT", 1)
    for number in range(2):
        await meta.submit(submission(f"order_{number}"))
    lured = list[str]()

    async def lure(request: web.Request) -> web.Response:
        lured.append(request.path_qs)
        return web.json_response({"data": []})

    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(f"{elsewhere}{request.path}")

    async with serving(lure) as elsewhere, serving(redirect) as redirecting:
        graph.next_page_at = elsewhere
        assert len([one async for one in meta.templates(BUSINESS)]) == 2
        moved = Meta(meta._client, redirecting, TOKEN)
        with pytest.raises(NoAnswerError, match="307"):
            await moved.submit(submission())
    assert lured == []


async def test_a_list_that_leads_round_in_a_circle_ends(graph: Graph, meta: Meta, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers_meta, "PAGES", 3)

    async def circle(_: web.Request) -> web.Response:
        one = {"id": "1", "name": "order", "language": "en", "status": "APPROVED"}
        return web.json_response({"data": [one], "paging": {"next": "…", "cursors": {"after": "again"}}})

    async with serving(circle) as url:
        assert len([one async for one in Meta(meta._client, url, TOKEN).templates(BUSINESS)]) == 3


@pytest.mark.parametrize("body", ["", "null", "[]", '{"data": 5}', "{", '{"id": ""}', '{"success": false}'])
async def test_an_answer_that_is_none(meta: Meta, body: str) -> None:
    async def odd(_: web.Request) -> web.Response:
        return web.Response(text=body)

    async with serving(odd) as url:
        asking = Meta(meta._client, url, TOKEN)
        with pytest.raises(NoAnswerError):
            await asking.submit(submission())
        with pytest.raises(NoAnswerError):
            await asking.request_code(PHONE, "sms")


async def test_ids_do_not_lead_elsewhere(graph: Graph, meta: Meta) -> None:
    for id in ("1/2", "../1", "1?access_token=x", "1#", ""):
        with pytest.raises((RefusedError, NoAnswerError)):
            await meta.request_code(id, "sms")
    assert all(asked.path.endswith("/request_code") and not asked.query for asked in graph.asked)


@pytest.fixture
def stranger(client: ClientSession, graph: Graph) -> Meta:
    """Who has a token that Meta does not like."""
    return Meta(client, graph.graph_url, "EAAJBsecretOfAStranger")


async def test_no_error_says_the_token(stranger: Meta, meta: Meta, graph: Graph) -> None:
    with pytest.raises(NoAnswerError, match="Malformed access token …") as refused:
        await stranger.submit(submission())
    assert "EAAJB" not in said(refused.value)
    graph.fail(GraphError(400, 100, f"Invalid parameter {TOKEN}", 1, error_user_msg=f"{TOKEN} is no parameter"))
    with pytest.raises(RefusedError, match="… is no parameter") as refused_too:
        await meta.request_code(PHONE, "sms")
    assert TOKEN not in said(refused_too.value)
    nobody = Meta(meta._client, "http://user:hush@127.0.0.1:1/pathkey", TOKEN)
    with pytest.raises(NoAnswerError) as unreached:
        await nobody.submit(submission())
    assert not [secret for secret in (TOKEN, "hush", "pathkey") if secret in said(unreached.value)]
    assert TOKEN not in repr(meta)


async def test_codes(graph: Graph, meta: Meta) -> None:
    await meta.request_code(PHONE, "voice")
    assert graph.asked[-1].body == {"code_method": "VOICE", "language": "en_US"}
    assert await meta.verify_code(PHONE, "271828") is False
    asked = len(graph.asked)
    for nonsense in ("", "none", "１２３４５６", "31415x"):
        assert await meta.verify_code(PHONE, nonsense) is False
    assert len(graph.asked) == asked
    assert await meta.verify_code(PHONE, f"{CODE[:3]}-{CODE[3:]} ") is True
    assert await meta.verify_code(PHONE, CODE) is False
    with pytest.raises(RefusedError, match="verified already"):
        await meta.request_code(PHONE, "sms")


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (GraphError(422, 100, "The verification code is invalid or has expired"), False),
        (GraphError(400, 136025, "Verify code error", 2388363), False),
        (GraphError(400, 100, "Unsupported post request.", 33), RefusedError),
        (GraphError(404, 803, "Phone number not found"), RefusedError),
        (GraphError(429, 4, "Too many verification attempts", 2446079, is_transient=True), NoAnswerError),
        (GraphError(401, 190, "Invalid OAuth access token", 463), NoAnswerError),
        (GraphError(403, 200, "Permission", 1349174), NoAnswerError),
        (GraphError(500, 2, "Unexpected", is_transient=True), NoAnswerError),
    ],
    ids=str,
)
async def test_what_verify_code_says(graph: Graph, meta: Meta, failure: GraphError, outcome: bool | type[Exception]) -> None:
    graph.fail(failure)
    if isinstance(outcome, bool):
        assert await meta.verify_code(PHONE, CODE) is outcome
    else:
        with pytest.raises(outcome):
            await meta.verify_code(PHONE, CODE)


async def test_no_error_says_the_code(graph: Graph, meta: Meta) -> None:
    graph.fail(GraphError(404, 803, f"Nothing is known of {CODE}"))
    with pytest.raises(RefusedError, match="Nothing is known of …") as refused:
        await meta.verify_code(PHONE, CODE)
    assert CODE not in said(refused.value)


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=5))
def test_signatures(body: bytes, more: bytes) -> None:
    right = signature(body)["X-Hub-Signature-256"]
    assert is_signed(body, right, APP_SECRET)
    assert is_signed(body, right.replace("sha256=", "SHA256="), APP_SECRET)
    wrong = [None, "", "sha256=", right.removeprefix("sha256="), right[:-1], f"{right}0", right.replace("sha256", "sha1"), "sha256=é"]
    assert not [one for one in wrong if is_signed(body, one, APP_SECRET)]
    assert not is_signed(body + more, right, APP_SECRET)
    assert not is_signed(body, right, f"{APP_SECRET}0")


def test_a_known_signature() -> None:
    """HMAC-SHA256 of RFC 4231, test case 2."""
    right = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert is_signed(b"what do ya want for nothing?", right, "Jefe")
