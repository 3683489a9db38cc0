"""Keyword claims: which words, whose they are, how they rest, and what `verify` says of them."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reachbook.core import catalogues, channels, configurations, consent_words, keywords, numbers
from reachbook.core.catalogues import NumberType, NumberTypeDraft
from reachbook.core.errors import ConflictError, InvalidError, NotFoundError
from reachbook.core.ids import NIL, AccountId
from reachbook.core.keywords import Claim
from reachbook.database.pool import Pool
from tests.core.book import new_account
from tests.core.channels import ALL, NOW, ask, at_once, claim, every_table, number_type, rent, restock, standing, stock

TICK = timedelta(milliseconds=1)
REST = timedelta(days=30)
SPEC = [
    *("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "REMOVE", "ARRET", "ARRÊT", "STOPP", "BAJA"),
    *("AFMELDEN", "ABMELDEN", "UITSCHRIJVEN", "CANCELAR", "START", "UNSTOP", "YES", "HELP", "INFO"),
]
WRONG = ["", " ", "two words", "a-b", "a_b", "a.", "#1", "**", "*a", "a" * 26, "ß" * 13, "a\0b", "a|b", "😀", " stop "]


@pytest.fixture(scope="module")
def db(quiet: Pool) -> Pool:
    """No server hands numbers over."""
    return quiet


@pytest.fixture
def bob(other_account: AccountId) -> AccountId:
    """Somebody else."""
    return other_account


@pytest.fixture
async def type(db: Pool) -> NumberType:
    """A number type of the test's own; its keywords cost something."""
    costs = {"keyword_startup_cost": Decimal("2.5"), "keyword_monthly_cost": Decimal("0.75")}
    return await number_type(db, **costs, keyword_notice_days=14)


@pytest.fixture
async def shared(db: Pool, type: NumberType) -> str:
    """A shared number."""
    return (await stock(db, type, is_shared=True))[0]


# --- words


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("join", "JOIN"),
        (" Join ", "JOIN"),
        ("7", "7"),
        ("a" * 25, "A" * 25),
        ("Zoë", "ZOË"),
        ("Zoe\u0308", "ZOË"),
        ("straße", "STRASSE"),
        ("ПРИВЕТ", "ПРИВЕТ"),
        ("stopping", "STOPPING"),
    ],
)
def test_words_are_kept_in_upper_case(word: str, kept: str) -> None:
    assert keywords.checked(word) == kept


@pytest.mark.parametrize("word", [*WRONG, *SPEC, *map(str.lower, SPEC)])
async def test_words_that_nobody_can_claim(db: Pool, account: AccountId, shared: str, word: str) -> None:
    with pytest.raises(InvalidError) as refused:
        await claim(db, account, shared, word)
    assert [fault.path for fault in refused.value.faults] == [("keyword",)]
    assert await standing(db, account) == []


def test_every_word_of_consent_is_reserved() -> None:
    for table in (consent_words.STOP_WORDS, consent_words.START_WORDS, consent_words.HELP_WORDS):
        for word in (word for words in table.values() for word in words):
            with pytest.raises(InvalidError):
                keywords.checked(word.casefold())


@given(st.text(max_size=8))
def test_what_is_kept_is_kept_again(word: str) -> None:
    """Whatever is accepted is one word, found again by any case of itself, and no word of consent."""
    try:
        kept = keywords.checked(word)
    except InvalidError:
        return
    assert keywords.checked(kept) == kept == keywords.written(kept.lower()) or kept != kept.lower().upper()
    assert kept == "*" or (kept.isalnum() and 1 <= len(kept) <= 25)
    assert kept not in consent_words.RESERVED


# --- whose they are


async def test_a_claim_and_its_channel(db: Pool, account: AccountId, bob: AccountId, type: NumberType, shared: str) -> None:
    made = await claim(db, account, f"+{shared}", "join")
    assert (made.phone_number_id, made.keyword, made.country, made.currency, made.claimed_at) == (shared, "JOIN", "NL", "EUR", NOW)
    assert (made.startup_cost, made.monthly_cost, made.notice_days) == (Decimal("2.5"), Decimal("0.75"), 14)
    assert await keywords.get(db, account, made.id) == made
    channel = await channels.get(db, account, made.channel_id)
    assert (channel.category, channel.element_id, channel.is_pending, channel.request_id) == ("keywords", f"{shared}|JOIN", False, NIL)
    await catalogues.save_number_type(db, type.id, NumberTypeDraft(keyword_startup_cost=Decimal(99)))
    assert await keywords.get(db, account, made.id) == made, "costs are those of when it was claimed"
    own = await claim(db, account, await rent(db, account, type), "join")
    assert (own.startup_cost, own.monthly_cost) == (0, 0)
    for filters, expected in [
        ({}, [made, own]),
        ({"numbers_among": [f"00{shared}"]}, [made]),
        ({"numbers_among": []}, []),
        ({"words": ["Join"]}, [made, own]),
        ({"words": ["other"]}, []),
        ({"country": "nl"}, [made, own]),
        ({"country": "BE"}, []),
    ]:
        found = await keywords.list_claims(db, account, ALL, **filters)
        assert (list(found.rows), found.total) == (expected, len(expected)), filters
        assert (await keywords.list_claims(db, bob, ALL, **filters)).total == 0
    for call in (keywords.get(db, bob, made.id), keywords.cancel(db, bob, made.id, NOW), keywords.verify(db, bob, made.id)):
        with pytest.raises(NotFoundError):
            await call


async def test_a_taken_word_of_a_shared_number(db: Pool, account: AccountId, bob: AccountId, type: NumberType, shared: str) -> None:
    await claim(db, account, shared, "join")
    before = await standing(db, account, bob)
    for somebody in (account, bob):
        for simulate in (False, True):
            with pytest.raises(ConflictError):
                await claim(db, somebody, shared, "JoIn", simulate=simulate)
    assert await standing(db, account, bob) == before
    assert (await claim(db, bob, shared, "joiner")).keyword == "JOINER"
    (other,) = await stock(db, type, is_shared=True)
    assert (await claim(db, bob, other, "join")).keyword == "JOIN"


async def test_everything_is_for_owned_numbers(db: Pool, account: AccountId, bob: AccountId, type: NumberType, shared: str) -> None:
    own = await rent(db, account, type)
    assert (await claim(db, account, own, " * ")).keyword == "*"
    for somebody in (account, bob):
        with pytest.raises(InvalidError):
            await claim(db, somebody, shared, "*")
    with pytest.raises(NotFoundError):
        await claim(db, bob, own, "*")


# --- rest


async def test_a_word_rests_for_30_days_to_the_millisecond(db: Pool, account: AccountId, bob: AccountId, shared: str) -> None:
    made = await claim(db, account, shared)
    await keywords.cancel(db, account, made.id, NOW)
    for call in (
        keywords.get(db, account, made.id),
        keywords.cancel(db, account, made.id, NOW),
        channels.get(db, account, made.channel_id),
    ):
        with pytest.raises(NotFoundError):
            await call
    await keywords.purge(db, NOW + REST - TICK)
    for somebody in (account, bob):
        with pytest.raises(ConflictError):
            await claim(db, somebody, shared, now=NOW + REST - TICK)
    assert (await claim(db, bob, shared, now=NOW + REST)).claimed_at == NOW + REST
    with pytest.raises(ConflictError):
        await claim(db, account, shared, now=NOW + 3 * REST)


async def test_a_word_that_is_purged_is_free(db: Pool, account: AccountId, bob: AccountId, shared: str) -> None:
    made = await claim(db, account, shared)
    kept = await claim(db, account, shared, "OTHER")
    await keywords.cancel(db, account, made.id, NOW)
    await keywords.purge(db, NOW + REST)
    assert [name for name, _ in await standing(db, account)].count("taken_keyword") == 1
    await claim(db, bob, shared, now=NOW + REST)
    assert (await keywords.get(db, account, kept.id)) == kept


# --- a number that changes hands


async def handed_over(db: Pool, type: NumberType, number: str, giver: AccountId, taker: AccountId, turn: int) -> None:
    """From one account to the other, with its rest in between."""
    await numbers.give_back(db, giver, number, NOW + (turn - 1) * REST)
    await numbers.hand_over_rested(db, NOW + turn * REST)
    assert (await ask(db, taker, type, now=NOW + turn * REST)).phone_number_id == number


async def test_a_new_owner_is_not_hindered(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    number = await rent(db, account, type)
    held, cancelled = await claim(db, account, number, "held"), await claim(db, account, number, "cancelled")
    await claim(db, account, number, "*")
    await keywords.cancel(db, account, cancelled.id, NOW + REST - TICK)
    await handed_over(db, type, number, account, bob, 1)
    for word in ("held", "cancelled", "*"):
        assert (await claim(db, bob, number, word, now=NOW + REST)).keyword == word.upper()
        with pytest.raises(ConflictError):
            await claim(db, bob, number, word, now=NOW + REST)
    with pytest.raises(NotFoundError):
        await claim(db, account, number, "new")
    assert (await keywords.get(db, account, held.id)) == held, "it stays, without its number"


async def test_an_older_claim_of_ones_own_is_to_be_cancelled_first(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    """Alice had the number, then Bob, and she has it again; he took her word meanwhile."""
    number = await rent(db, account, type)
    old = await claim(db, account, number)
    await handed_over(db, type, number, account, bob, 1)
    his = await claim(db, bob, number, now=NOW + REST)
    await handed_over(db, type, number, bob, account, 2)
    assert any("belongs to another claim" in said for said in await keywords.verify(db, account, old.id))
    with pytest.raises(ConflictError):
        await claim(db, account, number, now=NOW + 2 * REST)
    await keywords.cancel(db, account, old.id, NOW + 2 * REST)
    new = await claim(db, account, number, now=NOW + 2 * REST)
    assert await problems(db, account, new) == []
    assert any("does not have it any more" in said for said in await keywords.verify(db, bob, his.id))


# --- verify


async def problems(db: Pool, account: AccountId, made: Claim) -> list[str]:
    """What is wrong, with the messaging log on."""
    await configurations.keep_log(db, account, made.channel_id, enabled=True, now=NOW)
    return list(await keywords.verify(db, account, made.id))


async def test_verify_says_what_is_wrong(db: Pool, account: AccountId, type: NumberType, shared: str) -> None:
    made = await claim(db, account, shared)
    (nothing,) = await keywords.verify(db, account, made.id)
    assert nothing == "No inbound configuration is enabled: messages that come in go nowhere."
    assert await problems(db, account, made) == []
    await configurations.keep_log(db, account, made.channel_id, enabled=False, now=NOW)
    draft = configurations.Draft(url="https://example.com/in")
    event = await configurations.add(db, account, made.channel_id, "eventWebhook", draft, allowed=(), now=NOW)
    assert event.enabled
    assert await keywords.verify(db, account, made.id) == [nothing], "events are no messages"
    hook = await configurations.add(db, account, made.channel_id, "webhook", draft, allowed=(), now=NOW)
    assert await keywords.verify(db, account, made.id) == []
    (endpoint,) = hook.endpoints
    await db.execute("UPDATE channel_endpoint SET failing_since = $2 WHERE id = $1", endpoint.id, NOW)
    (failing,) = await keywords.verify(db, account, made.id)
    assert failing == "The endpoint https://example.com/in is failing since 2026-11-01T12:00:00Z."
    disable = "UPDATE channel_endpoint SET disabled_at = $2, disabled_reason = $3 WHERE id = $1"
    await db.execute(disable, endpoint.id, NOW, "it answered 410")
    (disabled,) = await keywords.verify(db, account, made.id)
    assert disabled == "The endpoint https://example.com/in is disabled: it answered 410."
    await configurations.update(db, account, made.channel_id, "webhook", endpoint.id, draft, allowed=(), now=NOW)
    assert await keywords.verify(db, account, made.id) == [], "it gets another chance"
    await configurations.switch(db, account, made.channel_id, hook.id, enabled=False, now=NOW)
    assert await keywords.verify(db, account, made.id) == [nothing]
    await configurations.switch(db, account, made.channel_id, hook.id, enabled=True, now=NOW)
    await configurations.delete(db, account, made.channel_id, "webhook", endpoint.id, NOW)
    assert await keywords.verify(db, account, made.id) == [nothing], "enabled, and empty"
    assert type.country == "NL"


async def test_verify_says_that_the_number_is_gone(db: Pool, account: AccountId, bob: AccountId, type: NumberType, shared: str) -> None:
    withdrawn, given_back = await claim(db, account, shared), await claim(db, account, await rent(db, account, type))
    everything = await claim(db, account, await rent(db, account, type), "*")
    assert [await problems(db, account, one) for one in (withdrawn, given_back, everything)] == [[], [], []]
    await numbers.withdraw(db, shared, NOW)
    await numbers.give_back(db, account, given_back.phone_number_id, NOW)
    for one in (withdrawn, given_back):
        (said,) = await keywords.verify(db, account, one.id)
        assert said == f"The number {one.phone_number_id} is out of service, or the account does not have it any more."
    await restock(db, type, shared, is_shared=True)
    assert await keywords.verify(db, account, withdrawn.id) == []
    await numbers.withdraw(db, everything.phone_number_id, NOW)
    await restock(db, type, everything.phone_number_id, is_shared=True)
    (said,) = await keywords.verify(db, account, everything.id)
    assert "owned numbers only" in said
    with pytest.raises(NotFoundError):
        await keywords.verify(db, bob, withdrawn.id)


# --- trying out, and races


async def test_a_simulated_claim_leaves_every_table_as_it_was(
    db: Pool, quiet_owner: asyncpg.Connection, account: AccountId, bob: AccountId, type: NumberType, shared: str
) -> None:
    own = await rent(db, account, type)
    await claim(db, bob, shared, "taken")
    rested = await claim(db, bob, shared, "rested", now=NOW - 2 * REST)
    await keywords.cancel(db, bob, rested.id, NOW - 2 * REST)
    for number, word in ((shared, "join"), (shared, "rested"), (own, "*")):
        before = await every_table(quiet_owner)
        tried = await claim(db, account, number, word, simulate=True)
        assert await every_table(quiet_owner) == before
        real = await claim(db, account, number, word)
        assert await every_table(quiet_owner) != before, "the comparison sees a real one"
        assert (tried.id, tried.channel_id) == (NIL, NIL)
        fields = [name for name in real.__struct_fields__ if name not in ("id", "channel_id")]
        assert [getattr(tried, name) for name in fields] == [getattr(real, name) for name in fields]
    before = await every_table(quiet_owner)
    for number, word, error in [
        (shared, "taken", ConflictError),
        (shared, "*", InvalidError),
        (shared, "stop", InvalidError),
        ("3197099999999", "join", NotFoundError),
    ]:
        for simulate in (True, False):
            with pytest.raises(error):
                await claim(db, account, number, word, simulate=simulate)
    assert await every_table(quiet_owner) == before


async def test_two_accounts_race_for_one_word(db: Pool, account: AccountId, bob: AccountId, shared: str) -> None:
    for turn in range(20):
        done, refused = await at_once(
            *(claim(db, of, shared, f"word{turn}") for of in (account, bob)),
            claim(db, bob, shared, f"word{turn}", simulate=True),
        )
        real = [one for one in done if one.id != NIL]
        assert len(real) == 1
        assert len(done) + len(refused) == 3
        assert all(isinstance(error, ConflictError) for error in refused)
        owner = await db.fetchval("SELECT owner_id FROM taken_keyword WHERE phone_number_id = $1 AND keyword = $2", shared, real[0].keyword)
        assert await keywords.get(db, AccountId(owner), real[0].id) == real[0]
    claims = [(await keywords.list_claims(db, of, ALL)).total for of in (account, bob)]
    assert sum(claims) == 20


async def test_many_race_for_a_word_whose_rest_is_over(db: Pool, account: AccountId, shared: str) -> None:
    several = [await new_account(db) for _ in range(5)]
    made = await claim(db, account, shared)
    await keywords.cancel(db, account, made.id, NOW)
    done, refused = await at_once(*(claim(db, of, shared, now=NOW + REST) for of in several), keywords.purge(db, NOW + REST))
    assert sum(one is not None for one in done) == 1
    assert [error.__class__ for error in refused] == [ConflictError] * 4


async def test_a_claim_is_cancelled_once(db: Pool, account: AccountId, shared: str) -> None:
    for turn in range(10):
        made = await claim(db, account, shared, f"word{turn}")
        done, refused = await at_once(*(keywords.cancel(db, account, made.id, NOW + number * TICK) for number in range(5)))
        assert (len(done), [error.__class__ for error in refused]) == (1, [NotFoundError] * 4)
        rests, at = await db.fetchval("SELECT rests_until FROM taken_keyword WHERE claim_id = $1", made.id), await cancelled_at(db, made)
        assert rests == at + REST


async def cancelled_at(db: Pool, made: Claim) -> datetime:
    """When it was."""
    return await db.fetchval("SELECT cancelled_at FROM keyword_claim WHERE id = $1", made.id)


BLOCKED = "SELECT EXISTS (SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT granted AND datname = current_database())"


async def test_a_number_is_whose_it_is_until_the_claim_is_made(db: Pool, account: AccountId, type: NumberType, shared: str) -> None:
    own = await rent(db, account, type)
    for number, take in ((own, numbers.give_back(db, account, own, NOW)), (shared, numbers.withdraw(db, shared, NOW))):
        async with db.transaction() as tx:
            await numbers.hold(tx, account, number)
            taking = asyncio.ensure_future(take)
            while not await db.fetchval(BLOCKED):
                assert not taking.done(), "who takes it away waits"
                await asyncio.sleep(0.01)
        await taking


async def test_claims_race_with_giving_back(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    """A claim that is answered was made while the number was the account's."""
    for _ in range(10):
        number = await rent(db, account, type)
        done, refused = await at_once(
            claim(db, account, number, "a"),
            numbers.give_back(db, account, number, NOW),
            claim(db, account, number, "b"),
            claim(db, bob, number, "c"),
        )
        assert all(isinstance(error, NotFoundError) for error in refused)
        made = {one.keyword for one in done if one is not None}
        kept = {one.keyword for one in (await keywords.list_claims(db, account, ALL, numbers_among=[number])).rows}
        assert made == kept <= {"A", "B"}
    assert (await keywords.list_claims(db, bob, ALL)).total == 0
