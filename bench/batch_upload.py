"""Batches with a check for duplicates by phone (Devino's wire), 2,500 a request, 4 at a time into one list that fills up, against the same
rows by COPY over one connection into the same tables and indexes, no HTTP and no check.
"""

import asyncio
import itertools
import random
from typing import Any

import msgspec

from bench.house import House, Http, Row, copy, facts, in_turn, person, seconds

BATCH, BATCHES, AT_A_TIME, ROUNDS = 2_500, 24, 4, 5
KEY = "Authorization: Key {}"


async def run(house: House) -> list[Row]:
    """Rows a second."""
    book = await house.empty_book("Batches")
    body = {"name": "Batches", "fields": [{"name": "Company"}]}
    made = await Http(house.port, book.token, KEY).json("POST", "/address-book-api/contact-groups", body)
    connection = await house.connection()
    numbers = itertools.count(step=BATCH)
    chance = random.Random(7)

    def people() -> list[list[dict[str, Any]]]:
        """New ones for each round: a phone that is there already is refused."""
        return [[person(first + row, chance) for row in range(BATCH)] for first in itertools.islice(numbers, BATCHES)]

    async def ours() -> float:
        bodies = iter(
            [
                msgspec.json.encode({"contactGroupId": made["result"], "contacts": rows, "duplicateCheckField": "phone"})
                for rows in ([_contact(one) for one in batch] for batch in people())
            ]
        )

        clients = [await Http(house.port, book.token, KEY).open() for _ in range(AT_A_TIME)]

        async def upload(client: Http) -> None:
            for body in bodies:
                status, size = await client.call("POST", "/address-book-api/contacts/batch", body)
                assert (status, size > BATCH) == (200, True)

        return BATCH * BATCHES / await seconds(lambda: asyncio.gather(*map(upload, clients)))

    async def yardstick() -> float:
        prepared = [facts(batch) for batch in people()]

        async def copy_all() -> None:
            for rows in prepared:
                await copy(connection, book, rows)

        return BATCH * BATCHES / await seconds(copy_all)

    await ours()
    row = Row("batch with duplicate check", *await in_turn(ROUNDS, ours, yardstick), 0.4, "rows/s")
    stored = await house.db.fetchval("SELECT count(DISTINCT phone) = count(*) FROM contact WHERE account_id = $1", book.account)
    assert stored, "a duplicate"
    await connection.close()
    return [row]


def _contact(one: dict[str, Any]) -> dict[str, Any]:
    """As a client of this wire posts it."""
    given = {"name": one["firstName"], "surname": one["lastName"], "Company": one["customValues"][0]["value"]}
    values = [{"name": name, "type": 3, "value": value} for name, value in given.items()]
    return {"email": one["email"], "phone": one["phoneNumber"].removeprefix("+"), "fields": values}
