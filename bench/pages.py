"""The first page of a group's contacts and the list of groups, at a million contacts against themselves at ten thousand."""

from bench.house import Book, House, Http, Row, in_turn, seconds

TIMES, ROUNDS = 20, 5


async def run(house: House) -> list[Row]:
    """Milliseconds a call."""
    rows: list[Row] = []
    for name, path in {
        "list page": "groups/{group}/contacts?take=100",
        "list page by name": "groups/{group}/contacts?take=100&orderBy=name",
        "group list": "groups",
    }.items():

        async def call(book: Book, path: str = path) -> float:
            client = await Http(house.port, book.token).open()
            url = f"/addressbook/v2/accounts/{book.account}/{path.format(group=book.group)}"

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
