"""One contact created, 8 at a time, against the same SQL from a bare asyncpg loop, 8 at a time."""

import asyncio
import random

import msgspec

from bench.house import House, Http, Row, facts, in_turn, person, seconds
from reachbook.core import changes, contacts, ids

COUNT, AT_A_TIME, ROUNDS = 2_000, 8, 5


async def run(house: House) -> list[Row]:
    """Contacts a second."""
    book = await house.empty_book("Singles")
    chance = random.Random(2)
    people = [person(number, chance) for number in range(COUNT)]
    for one in people:
        del one["customValues"]
    bodies = [msgspec.json.encode(one) for one in people]
    prepared = facts([{**one, "customValues": []} for one in people])
    path = f"/addressbook/v2/accounts/{book.account}/groups/{book.group}/contacts"
    clients = [await Http(house.port, book.token).open() for _ in range(AT_A_TIME)]
    connections = [await house.connection() for _ in range(AT_A_TIME)]

    async def ours() -> float:
        work = iter(bodies)

        async def create(client: Http) -> None:
            for body in work:
                status, _ = await client.call("POST", path, body)
                assert status == 201

        return COUNT / await seconds(lambda: asyncio.gather(*map(create, clients)))

    async def yardstick() -> float:
        work = iter(prepared)

        async def create(connection: object) -> None:
            for row in work:
                lengths = changes.columns(changes.lengths_of([row]))
                found_by = contacts.search_text(row)
                values = (book.account, book.group, ids.new_id(), *row, ids.now(), found_by, ids.new_id(), ids.NIL, *lengths)
                await connection.fetchval(contacts.ADD, *values)  # type: ignore[attr-defined]

        return COUNT / await seconds(lambda: asyncio.gather(*map(create, connections)))

    await ours()
    await yardstick()
    row = Row("single create", *await in_turn(ROUNDS, ours, yardstick), 0.5, "contacts/s")
    for connection in connections:
        await connection.close()
    return [row]
