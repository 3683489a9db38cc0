"""Channels at size: a page of 100,000 numbers by filter, and claims on a shared number that has 100,000 keywords already.

Each against the 50 ms that it may take; the page also against the bare statement, and the claim against one on a number without keywords.
"""

import itertools
from decimal import Decimal

import asyncpg
import msgspec

from bench.house import Book, House, Http, Row, in_turn, seconds
from reachbook.core import catalogues, ids, numbers

COUNT = 100_000
TIMES, ROUNDS = 10, 5
MOST = 50.0  # milliseconds
PREFIX = "3197010"  # nobody's numbers
FULL, EMPTY = "31970200001", "31970200002"
# What a search box asks for: a part of the number somewhere in the middle of the stock.
FILTER = "query=55&country=NL&isShared=true&isShortcode=false&skip=0&take=100"


async def run(house: House) -> list[Row]:
    """Milliseconds a call."""
    draft = catalogues.NumberTypeDraft(country="NL", category="MOBILE", description="Bench", keyword_monthly_cost=Decimal(1))
    type = await catalogues.save_number_type(house.db, None, draft)
    owner = await asyncpg.connect(house.owner_url)
    await _stock(owner, type)
    await _claims(owner, house.big)
    await owner.execute("VACUUM ANALYZE phone_number, taken_keyword, keyword_claim, channel")
    await owner.close()
    return [*await _pages(house, type), *await _claiming(house)]


async def _stock(owner: asyncpg.Connection, type: catalogues.NumberType) -> None:
    digits = [f"{PREFIX}{number:06}" for number in range(COUNT)] + [FULL, EMPTY]
    rows = [(one, f"00{one}", type.id, False, "shared", ids.now()) for one in digits]
    columns = ["id", "number", "number_type_id", "is_shortcode", "state", "stocked_at"]
    await owner.copy_records_to_table("phone_number", records=rows, columns=columns)


async def _claims(owner: asyncpg.Connection, book: Book) -> None:
    """The keywords that are taken already, all of one account's, so that its list is as long."""
    claims, groups, channels = ([ids.new_id() for _ in range(COUNT)] for _ in range(3))
    now, type = ids.now(), await owner.fetchval("SELECT id FROM channel_type WHERE key = 'sms'")
    words = [f"WORD{number}" for number in range(COUNT)]
    account = book.account
    await owner.copy_records_to_table("channel_group", records=[(account, group, now) for group in groups])
    of_channels = [
        (account, channel, group, None, type, "keywords", claim, f"{FULL}|{word}", False, now, None)
        for channel, group, claim, word in zip(channels, groups, claims, words, strict=True)
    ]
    await owner.copy_records_to_table("channel", records=of_channels)
    of_claims = [
        (account, claim, channel, FULL, word, "NL", "EUR", Decimal(0), Decimal(1), 0, "active", now, None)
        for claim, channel, word in zip(claims, channels, words, strict=True)
    ]
    await owner.copy_records_to_table("keyword_claim", records=of_claims)
    taken = [(FULL, word, account, claim, None) for word, claim in zip(words, claims, strict=True)]
    await owner.copy_records_to_table("taken_keyword", records=taken)


async def _pages(house: House, type: catalogues.NumberType) -> list[Row]:
    client = await Http(house.port, house.small.token).open()
    lister = await Http(house.port, house.big.token).open()
    connection = await house.connection()
    values = (house.small.account, "55", [type.id], None, False, True)

    async def page() -> float:
        return await _each(client, "GET", f"/channels/v1/accounts/{house.small.account}/phonenumbers?{FILTER}")

    async def bare() -> float:
        async def often() -> None:
            for _ in range(TIMES):
                await connection.fetch(numbers.LIST, *values, 0, 100)
                await connection.fetchval(numbers.TOTAL, *values)

        return await seconds(often) / TIMES * 1000

    async def claims() -> float:
        filtered = f"phoneNumber={FULL}&keyword=WORD777,WORD4711&take=100"
        return await _each(lister, "GET", f"/channels/v1/accounts/{house.big.account}/keywords?{filtered}")

    await page()
    ours, yardstick, ratio = await in_turn(ROUNDS, page, bare)
    listed, _, _ = await in_turn(ROUNDS, claims, claims)
    await connection.close()
    return [
        Row("100,000 numbers by filter, a page", ours, MOST, ours / MOST, 1.0, "ms", higher_is_better=False),
        Row("… against the bare statement", ours, yardstick, ratio, 2.0, "ms", higher_is_better=False),
        Row("100,000 claims by number and keyword", listed, MOST, listed / MOST, 1.0, "ms", higher_is_better=False),
    ]


async def _claiming(house: House) -> list[Row]:
    client = await Http(house.port, house.small.token).open()
    fresh = itertools.count()

    async def claim(number: str) -> float:
        async def often() -> None:
            for _ in range(TIMES):
                body = msgspec.json.encode({"phoneNumberId": number, "keyword": f"BENCH{next(fresh)}"})
                status, _ = await client.call("POST", f"/channels/v1/accounts/{house.small.account}/keywords", body)
                assert status == 201

        return await seconds(often) / TIMES * 1000

    figures = await in_turn(ROUNDS, lambda: claim(FULL), lambda: claim(EMPTY))
    return [
        Row("claim on a number with 100,000 keywords", figures[0], MOST, figures[0] / MOST, 1.0, "ms", higher_is_better=False),
        Row("… against one without", *figures, 2.0, "ms", higher_is_better=False),
    ]


async def _each(client: Http, method: str, path: str) -> float:
    async def often() -> None:
        for _ in range(TIMES):
            status, _ = await client.call(method, path)
            assert status == 200

    return await seconds(often) / TIMES * 1000
