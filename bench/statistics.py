"""Who can be reached: the account's statistics and a list's, with a twentieth opted out, at a million contacts against ten thousand."""

import asyncio

from bench.house import Book, House, Http, Row, in_turn, seconds

TIMES, ROUNDS = 20, 5
WAITING = "SELECT count(*) FROM contact_change WHERE account_id = ANY($1::uuid[])"


async def run(house: House) -> list[Row]:
    """Milliseconds a call."""
    folded = await seconds(lambda: _folded(house))
    print(f"  counted what was waiting after {folded:.1f} s")
    rows: list[Row] = []
    for name, path in {
        "statistics": "statistics",
        "statistics of a list, by priority": "statistics?listId={group}&priorities=SMS,EMAIL,VOICE",
        "fields": "fields",
    }.items():

        async def call(book: Book, path: str = path) -> float:
            client = await Http(house.port, book.token).open()
            url = f"/digitaleo/rest/{path.format(group=book.group)}"

            async def often() -> None:
                for _ in range(TIMES):
                    status, _ = await client.call("GET", url)
                    assert status == 200

            return await seconds(often) / TIMES * 1000

        await call(house.big)
        await call(house.small)
        figures = await in_turn(ROUNDS, lambda call=call: call(house.big), lambda call=call: call(house.small))
        rows.append(Row(name, *figures, 2.0, "ms", higher_is_better=False))
    return rows


async def _folded(house: House) -> None:
    """Wait for the server's worker."""
    while await house.db.fetchval(WAITING, [house.big.account, house.small.account]):
        await asyncio.sleep(0.2)
