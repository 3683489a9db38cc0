"""The first page of a segment of three conditions (a field, an instant, who can be reached), at a million contacts: against the 200 ms
that it may take, and against itself at ten thousand.
"""

import msgspec

from bench.house import Book, House, Http, Row, in_turn, seconds

TIMES, ROUNDS = 10, 5
MOST = 200.0  # milliseconds
FILTERS = {
    # One in five hundred of a group: the page is full after a walk through 50,000 contacts.
    "segment of three conditions": "Company 77%",
    # One in five thousand: found by the index of values.
    "segment that few are in": "Company 777",
}


async def run(house: House) -> list[Row]:
    """Milliseconds a call."""
    rows: list[Row] = []
    for name, company in FILTERS.items():
        conditions = [
            {"attribute": "company", "operator": "LIKE" if "%" in company else "EQ", "value": company},
            {"attribute": "created_at", "operator": ">", "value": "2020-01-01"},
            {"attribute": "reachable.sms", "value": "true"},
        ]
        paths: dict[str, str] = {}
        for book in (house.big, house.small):
            client = await Http(house.port, book.token).open()
            body = msgspec.json.encode({"name": name, "groupId": str(book.group), "filter": {"all": conditions}})
            status, _ = await client.call("POST", f"/v1/accounts/{book.account}/segments", body)
            assert status == 201
            found = await house.db.fetchval("SELECT id FROM segment WHERE account_id = $1 ORDER BY id DESC LIMIT 1", book.account)
            paths[book.token] = f"/v1/accounts/{book.account}/segments/{found}/contacts?take=100"

        async def call(book: Book, paths: dict[str, str] = paths) -> float:
            client = await Http(house.port, book.token).open()

            async def often() -> None:
                for _ in range(TIMES):
                    status, _ = await client.call("GET", paths[book.token])
                    assert status == 200

            return await seconds(often) / TIMES * 1000

        await call(house.big)
        await call(house.small)
        figures = await in_turn(ROUNDS, lambda call=call: call(house.big), lambda call=call: call(house.small))
        rows.append(Row(f"{name}, 1M against 10k", *figures, 5.0, "ms", higher_is_better=False))
        rows.append(Row(f"{name}, first page", figures[0], MOST, figures[0] / MOST, 1.0, "ms", higher_is_better=False))
    return rows
