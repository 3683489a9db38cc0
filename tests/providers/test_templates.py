"""Templates on their way to Meta and back: validated through core, told by the worker, decided by webhook or by what a poll finds."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from datetime import timedelta

import pytest
from aiohttp import ClientSession, ClientTimeout

from reachbook.core import channel_requests, ids, provider_templates, templates
from reachbook.core.ids import AccountId
from reachbook.core.provider_templates import Heard
from reachbook.core.templates import Draft
from reachbook.database.location import Location
from reachbook.database.pool import Pool
from reachbook.providers.meta import CATEGORIES, Meta
from tests.core import channels
from tests.providers.desk import GREETING, SENT, again, business, edited, language, new_provider_id, poll, shown, submit, validated
from tests.providers.graph import APP_SECRET, TOKEN, VERIFY_TOKEN, Graph, GraphError, post, webhook
from tests.support import Server

DOWN = GraphError(500, 2, "Service temporarily unavailable", is_transient=True)


@pytest.fixture(scope="module")
def hook(location: Location) -> Generator[str]:
    """Where Meta's webhooks go."""
    with Server(location, meta_app_secret=APP_SECRET, meta_verify_token=VERIFY_TOKEN, workers="false") as server:
        yield server.url


@pytest.fixture
async def hasty(graph: Graph) -> AsyncGenerator[Meta]:
    """Who waits for Meta a moment only."""
    async with ClientSession(timeout=ClientTimeout(total=0.3)) as client:
        yield Meta(client, graph.graph_url, TOKEN)


async def test_validated_told_approved(
    idle: Pool, account: AccountId, other_account: AccountId, graph: Graph, meta: Meta, hook: str
) -> None:
    request, id = await business(idle, account)
    others_request, _ = await business(idle, other_account)
    template = await validated(idle, account, request)
    others = await validated(idle, other_account, others_request)
    assert await submit(meta, idle) == 2
    made = next(one for one in graph.templates.values() if one["business"] == id)
    assert made["name"] == template.facebook_name == "order"
    assert (made["language"], made["category"]) == ("en_US", "UTILITY")
    assert made["components"] == [{"type": "BODY", "text": SENT, "example": {"body_text": [["field 1", "field 2"]]}}]
    told = await shown(idle, account, template)
    assert (told.id, told.status, told.error) == (made["id"], "PENDING", None)
    assert told.synced_at is not None
    assert (await language(idle, account, template)).state == "validating"

    graph.decide(made, "APPROVED")
    answer = await post(hook, webhook(id, made, "APPROVED", time.time() + 1))
    assert (answer.status_code, answer.json()) == (200, {"received": 1, "known": 1})
    assert (await language(idle, account, template)).state == "active"
    now = await shown(idle, account, template)
    assert now.status == "APPROVED"
    assert now.synced_at is not None
    assert now.synced_at > told.synced_at
    assert (await language(idle, other_account, others)).state == "validating"
    assert await submit(meta, idle) == 0


async def test_without_variables_there_is_no_example(idle: Pool, account: AccountId, graph: Graph, meta: Meta) -> None:
    request, _ = await business(idle, account)
    made = await channels.template(idle, account, request, {"en_US": "Your order is on its way.", "nl": "Uw bestelling is onderweg."})
    await templates.validate(idle, account, request, made.id, ids.now())
    assert await submit(meta, idle) == 2
    assert graph.named("order")["components"] == [{"type": "BODY", "text": "Your order is on its way."}]
    assert graph.named("order", "nl")["components"] == [{"type": "BODY", "text": "Uw bestelling is onderweg."}]


@pytest.mark.parametrize("category", ["MARKETING", "UTILITY", *CATEGORIES])
async def test_every_category_is_one_that_meta_takes(idle: Pool, account: AccountId, graph: Graph, meta: Meta, category: str) -> None:
    request, _ = await business(idle, account)
    template = await channels.template(idle, account, request, {"en_US": "On its way."})
    await templates.update(idle, account, request, template.id, Draft(await channels.category(idle, category)), ids.now())
    await templates.validate(idle, account, request, template.id, ids.now())
    await submit(meta, idle)
    assert graph.named("order")["category"] == ("MARKETING" if category == "MARKETING" else "UTILITY")
    assert (await shown(idle, account, template)).error is None


async def test_a_business_account_without_an_id_at_meta_is_the_operators(idle: Pool, account: AccountId, graph: Graph, meta: Meta) -> None:
    request = (await channels.ask_whatsapp(idle, account)).id
    await validated(idle, account, request)
    assert await submit(meta, idle) == 0
    assert graph.calls == []


async def test_rejected_with_a_reason_then_edited_under_the_same_id(
    idle: Pool, account: AccountId, graph: Graph, meta: Meta, hook: str
) -> None:
    request, id = await business(idle, account)
    template = await validated(idle, account, request)
    await submit(meta, idle)
    made = graph.named("order")
    graph.decide(made, "REJECTED", "INVALID_FORMAT")
    info = {"reason": "Variables stand too close.", "recommendation": "Put words between them."}
    await post(hook, webhook(id, made, "REJECTED", time.time() + 1, reason="INVALID_FORMAT", rejection_info=info))
    rejected = await language(idle, account, template)
    assert (rejected.state, rejected.rejection_reason) == (
        "rejected",
        "INVALID_FORMAT: Variables stand too close.: Put words between them.",
    )

    await templates.update(idle, account, request, template.id, Draft(await channels.category(idle, "MARKETING")), ids.now())
    await edited(idle, account, template, "Hello {{1}}, the order {{2}} left.")
    assert await submit(meta, idle) == 1
    assert graph.calls == [("POST", f"{id}/message_templates"), ("POST", made["id"])]
    assert len(graph.templates) == 1
    assert made["components"][0]["text"] == "Hello {{1}}, the order {{2}} left."
    assert (made["category"], made["status"]) == ("MARKETING", "PENDING")
    told = await shown(idle, account, template)
    assert (told.id, told.status) == (made["id"], "PENDING")
    assert (await language(idle, account, template)).state == "validating"
    await post(hook, webhook(id, made, "APPROVED", time.time() + 1))
    assert (await language(idle, account, template)).state == "active"


async def test_old_news_changes_nothing(idle: Pool, account: AccountId, graph: Graph, meta: Meta, hook: str) -> None:
    request, id = await business(idle, account)
    template = await validated(idle, account, request)
    await submit(meta, idle)
    made = graph.named("order")
    await post(hook, webhook(id, made, "REJECTED", time.time() + 1, reason="SCAM"))
    graph.decide(made, "REJECTED", "SCAM")
    said_before = time.time() - 60
    await edited(idle, account, template, "Hello {{1}}, the order {{2}} left.")
    late = webhook(id, made, "REJECTED", said_before, reason="SCAM")
    assert (await post(hook, late)).json() == {"received": 1, "known": 1}  # while the edit is due
    assert (await language(idle, account, template)).state == "validating"
    await submit(meta, idle)
    await post(hook, late)
    assert (await language(idle, account, template)).state == "validating"
    assert (await shown(idle, account, template)).status == "REJECTED"  # as it was said last
    await post(hook, webhook(id, made, "APPROVED", time.time() + 1))
    assert (await language(idle, account, template)).state == "active"


async def test_a_list_from_before_the_edit_rejects_nothing(idle: Pool, account: AccountId, graph: Graph, meta: Meta) -> None:
    """A list is on its way with the old rejection while another worker tells of the edit."""
    request, id = await business(idle, account)
    template = await validated(idle, account, request)
    await submit(meta, idle)
    graph.decide(graph.named("order"), "REJECTED", "SCAM")
    later = ids.now() + timedelta(seconds=5)
    said = Heard(id, graph.named("order")["id"], "order", "en_US", "REJECTED", "SCAM")
    await provider_templates.heard(idle, said, said_at=later, now=later)
    await edited(idle, account, template, "Hello {{1}}, the order {{2}} left.")
    listed = [one async for one in meta.templates(id)]
    assert [one.status for one in listed] == ["REJECTED"]

    class Late(Meta):
        async def templates(self, business_id: str) -> AsyncGenerator[Heard]:
            if business_id == id:
                await submit(meta, idle)
                for one in listed:
                    yield one

    await poll(Late(meta._client, graph.graph_url, TOKEN), idle, id)
    assert (await language(idle, account, template)).state == "validating"
    assert graph.named("order")["status"] == "PENDING"


@pytest.mark.parametrize("event", ["FLAGGED", "IN_APPEAL", "PENDING_DELETION", "SOMETHING_NEW"])
async def test_an_unknown_status_is_kept_and_changes_nothing(
    idle: Pool, account: AccountId, graph: Graph, meta: Meta, hook: str, event: str
) -> None:
    request, id = await business(idle, account)
    template = await validated(idle, account, request)
    await submit(meta, idle)
    made = graph.named("order")
    await post(hook, webhook(id, made, event, time.time() + 1))
    assert (await language(idle, account, template)).state == "validating"
    await post(hook, webhook(id, made, "APPROVED", time.time() + 1))
    before = await language(idle, account, template)
    await post(hook, webhook(id, made, event, time.time() + 2))
    assert await language(idle, account, template) == before
    assert (await shown(idle, account, template)).status == event


async def test_paused_and_back(idle: Pool, account: AccountId, graph: Graph, meta: Meta, hook: str) -> None:
    request, id = await business(idle, account)
    template = await validated(idle, account, request)
    await submit(meta, idle)
    made = graph.named("order")
    await post(hook, webhook(id, made, "APPROVED", time.time() + 1))
    paused = {"title": "FIRST_PAUSE", "description": "Paused for 3 hours."}
    await post(hook, webhook(id, made, "PAUSED", time.time() + 2, other_info=paused))
    now = await language(idle, account, template)
    assert (now.state, now.rejection_reason) == ("suspended", "Paused for 3 hours.")
    graph.decide(made, "PAUSED")
    await poll(meta, idle, id)
    assert (await language(idle, account, template)).state == "suspended"
    graph.decide(made, "APPROVED")
    await poll(meta, idle, id)
    assert (await language(idle, account, template)).state == "active"
    await post(hook, webhook(id, made, "DISABLED", time.time() + 3))
    assert (await language(idle, account, template)).rejection_reason == "The provider says DISABLED."
    await post(hook, webhook(id, made, "REINSTATED", time.time() + 4))
    assert (await language(idle, account, template)).state == "active"


async def aged(db: Pool, account: AccountId) -> None:
    """What was submitted, was some time ago."""
    await db.execute("UPDATE provider_template SET told_at = told_at - interval '1 minute' WHERE account_id = $1", account)


async def test_a_poll_brings_what_no_webhook_did(
    idle: Pool, account: AccountId, other_account: AccountId, graph: Graph, meta: Meta
) -> None:
    request, id = await business(idle, account)
    template = await validated(idle, account, request, {"en_US": GREETING, "nl": "Beste {{1}}, uw {{2}} komt."})
    others_request, _ = await business(idle, other_account)
    others = await validated(idle, other_account, others_request)
    await submit(meta, idle)
    for language_code, status, reason in (("en_US", "APPROVED", "NONE"), ("nl", "REJECTED", "TAG_CONTENT_MISMATCH")):
        made = next(one for one in graph.templates.values() if (one["business"], one["language"]) == (id, language_code))
        graph.decide(made, status, reason)
    await aged(idle, account)
    await poll(meta, idle, id)
    assert (await language(idle, account, template)).state == "active"
    dutch = await language(idle, account, template, "nl")
    assert (dutch.state, dutch.rejection_reason) == ("rejected", "TAG_CONTENT_MISMATCH")
    assert (await shown(idle, account, template)).status == "APPROVED"
    assert (await language(idle, other_account, others)).state == "validating"


async def test_a_poll_that_fails_is_made_again(idle: Pool, account: AccountId, graph: Graph, meta: Meta) -> None:
    request, id = await business(idle, account)
    template = await validated(idle, account, request)
    await submit(meta, idle)
    graph.decide(graph.named("order"), "APPROVED")
    await aged(idle, account)
    for failure in (DOWN, GraphError(400, 100, "Unsupported get request.", 33), "<html>Bad gateway</html>"):
        graph.fail(failure)
        await poll(meta, idle, id)
        assert (await language(idle, account, template)).state == "validating"
    await poll(meta, idle, id)
    assert (await language(idle, account, template)).state == "active"


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (DOWN, "Service temporarily unavailable (2)"),
        ("<html>Bad gateway</html>", "answered 502"),
        (GraphError(400, 80008, "There have been too many calls"), "too many calls (80008)"),
        (GraphError(429, 4, "Application request limit reached", 2446079), "limit reached (4/2446079)"),
        (GraphError(400, 9, "Hiccup", is_transient=True), "Hiccup (9)"),
        (GraphError(400, 190, "Error validating access token: Session has expired"), "Session has expired (190)"),
        (GraphError(403, 200, "Permissions error"), "Permissions error (200)"),
    ],
    ids=str,
)
async def test_what_passes_is_tried_again_later(
    idle: Pool, account: AccountId, graph: Graph, meta: Meta, failure: GraphError | str, said: str
) -> None:
    request, _ = await business(idle, account)
    template = await validated(idle, account, request)
    graph.fail(failure)
    assert await submit(meta, idle) == 1  # and not again at once
    failed = await shown(idle, account, template)
    assert failed.error is not None
    assert said in failed.error
    assert (failed.id, failed.status) == (None, None)
    assert (await language(idle, account, template)).state == "validating"
    await again(idle, account)
    assert await submit(meta, idle) == 1
    told = await shown(idle, account, template)
    assert (told.id, told.status, told.error) == (graph.named("order")["id"], "PENDING", None)


async def test_pauses_grow(idle: Pool, account: AccountId, graph: Graph, meta: Meta) -> None:
    request, _ = await business(idle, account)
    await validated(idle, account, request)
    pauses = list[int]()
    for _ in range(6):
        graph.fail(DOWN)
        assert await submit(meta, idle) == 1
        due = await idle.fetchval("SELECT due_at FROM provider_template WHERE account_id = $1", account)
        pauses.append(round((due - ids.now()).total_seconds() / 10))
        await again(idle, account)
    assert pauses == [3, 12, 60, 360, 360, 360]


async def test_nobody_there(idle: Pool, account: AccountId, client: ClientSession, graph: Graph) -> None:
    request, _ = await business(idle, account)
    template = await validated(idle, account, request)
    nobody = Meta(client, "http://127.0.0.1:1/v23.0", TOKEN)
    assert await submit(nobody, idle) == 1
    error = (await shown(idle, account, template)).error
    assert error is not None
    assert error.startswith("Meta can't be reached: Cannot connect to host 127.0.0.1:1")


async def test_a_permanent_refusal_is_left_to_the_operator(idle: Pool, account: AccountId, graph: Graph, meta: Meta) -> None:
    request, _ = await business(idle, account)
    template = await validated(idle, account, request)
    refusal = GraphError(400, 100, "Invalid parameter", 2388299, error_user_title="Not like this", error_user_msg="Write something else.")
    graph.fail(refusal)
    assert await submit(meta, idle) == 1
    await again(idle, account)
    assert await submit(meta, idle) == 0
    assert (await shown(idle, account, template)).error == "Meta says: Not like this: Write something else. (100/2388299)"
    assert (await language(idle, account, template)).state == "validating"
    # The operator rejects it, the account writes something else, and that goes to Meta as any other.
    await channels.decide_language(idle, account, template, "en_US", approved=False, now=ids.now())
    await edited(idle, account, template, "Hello {{1}}, the order {{2}} left.")
    assert await submit(meta, idle) == 1
    assert [one["components"][0]["text"] for one in graph.templates.values()] == ["Hello {{1}}, the order {{2}} left."]


async def test_an_answer_that_was_lost_makes_no_second_template(
    idle: Pool, account: AccountId, graph: Graph, meta: Meta, hasty: Meta
) -> None:
    request, _ = await business(idle, account)
    template = await validated(idle, account, request)
    graph.loses_answers = True
    await submit(meta, idle)
    graph.loses_answers, graph.pause_seconds = False, 1.0
    await again(idle, account)
    await submit(hasty, idle)
    assert (await shown(idle, account, template)).error == "Meta did not answer in time."
    graph.pause_seconds = 0.0
    await asyncio.sleep(1.1)
    await again(idle, account)
    await submit(meta, idle)
    assert list(graph.templates) == [graph.named("order")["id"]]
    told = await shown(idle, account, template)
    assert (told.id, told.status, told.error) == (graph.named("order")["id"], "PENDING", None)


async def test_another_template_of_the_name_is_not_taken_over(idle: Pool, account: AccountId, graph: Graph, meta: Meta) -> None:
    request, id = await business(idle, account)
    other = {"name": "order", "language": "en_US", "category": "UTILITY", "components": [{"type": "BODY", "text": "Made by hand."}]}
    graph.templates["7"] = {"id": "7", "business": id, "status": "APPROVED", "rejected_reason": "NONE"} | other
    template = await validated(idle, account, request)
    await submit(meta, idle)
    told = await shown(idle, account, template)
    assert told.id is None
    assert told.error is not None
    assert "already content for this template" in told.error
    assert graph.templates["7"]["components"][0]["text"] == "Made by hand."


async def test_another_business_account_is_told_as_of_something_new(idle: Pool, account: AccountId, graph: Graph, meta: Meta) -> None:
    request, _ = await business(idle, account)
    template = await validated(idle, account, request)
    await submit(meta, idle)
    await channels.decide_language(idle, account, template, "en_US", approved=False, now=ids.now())
    right = new_provider_id()
    await channel_requests.set_provider(idle, account, request, right)
    await edited(idle, account, template, "Hello {{1}}, the order {{2}} left.")
    await submit(meta, idle)
    made = next(one for one in graph.templates.values() if one["business"] == right)
    assert (await shown(idle, account, template)).id == made["id"]
    assert graph.calls[-1] == ("POST", f"{right}/message_templates")


async def test_two_workers_tell_once(idle: Pool, account: AccountId, graph: Graph, meta: Meta) -> None:
    request, _ = await business(idle, account)
    await validated(idle, account, request, {"en_US": GREETING, "nl": "Beste {{1}}, uw {{2}} komt."})
    graph.pause_seconds = 0.1
    assert sum(await asyncio.gather(*(submit(meta, idle) for _ in range(4)))) == 2
    assert len(graph.calls) == len(graph.templates) == 2
