"""Bulk upload, 2,500 a request, 4 at a time, delayIndexing, against the same rows by COPY over one connection, no HTTP."""

import asyncio
import random

import msgspec

from bench.house import House, Http, Row, copy, facts, in_turn, person, seconds

BATCH, BATCHES, AT_A_TIME, ROUNDS = 2_500, 24, 4, 5


async def run(house: House) -> list[Row]:
    """Rows a second."""
    book = await house.empty_book("Uploads")
    chance = random.Random(1)
    batches = [[person(number * BATCH + row, chance) for row in range(BATCH)] for number in range(BATCHES)]
    bodies = [msgspec.json.encode(batch) for batch in batches]
    prepared = [facts(batch) for batch in batches]
    path = f"/addressbook/v2/accounts/{book.account}/groups/{book.group}/contacts-bulk?delayIndexing=true"
    clients = [await Http(house.port, book.token).open() for _ in range(AT_A_TIME)]
    connection = await house.connection()

    async def ours() -> float:
        work = iter(bodies)

        async def upload(client: Http) -> None:
            for body in work:
                status, _ = await client.call("POST", path, body)
                assert status == 201

        return BATCH * BATCHES / await seconds(lambda: asyncio.gather(*map(upload, clients)))

    async def copy_all() -> None:
        for rows in prepared:
            await copy(connection, book, rows)

    async def yardstick() -> float:
        return BATCH * BATCHES / await seconds(copy_all)

    await ours()
    row = Row("bulk upload", *await in_turn(ROUNDS, ours, yardstick), 0.8, "rows/s")
    await connection.close()
    return [row]
