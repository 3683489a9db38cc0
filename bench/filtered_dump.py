"""Filtered dump of a million contacts, one in twenty opted out, against COPY (the same anti-join) TO STDOUT; and its memory."""

import psutil

from bench.house import BIG, House, Http, Row, in_turn, seconds

PAGE, ROUNDS = 50_000, 3

# The same contacts and columns, as text, without the product's forms of instants and JSON.
YARDSTICK = """
SELECT c.id, m.group_id, c.first_name, c.insertion, c.last_name, c.email, c.phone, c.phone_country, c.created_at, c.field_values
FROM membership m JOIN contact c ON c.account_id = m.account_id AND c.id = m.contact_id
WHERE m.account_id = $1 AND m.group_id = $2 AND NOT EXISTS (
    SELECT 1 FROM consent_token t WHERE t.account_id = c.account_id AND t.type = 'sms' AND t.key = c.phone AND t.is_active)
ORDER BY m.contact_id
"""


async def run(house: House) -> list[Row]:
    """Rows a second: as one CSV stream, and as JSON pages by cursor."""
    book = house.big
    client = await Http(house.port, book.token).open()
    path = f"/addressbook/v2/accounts/{book.account}/dump/sms?groupIds={book.group}"
    connection = await house.connection()
    kept = BIG - BIG // 20

    async def csv() -> float:
        return kept / await seconds(lambda: client.call("GET", f"{path}&format=csv"))

    async def cursors() -> list[str]:
        found: list[str] = [""]
        while len(page := await client.json("GET", f"{path}&fields=id&take={PAGE}{found[-1]}")) == PAGE:
            found.append(f"&lastGuid={page[-1]['id']}")
        return found

    known = await cursors()

    async def json() -> float:
        async def walk() -> None:
            for cursor in known:
                status, _ = await client.call("GET", f"{path}&take={PAGE}{cursor}")
                assert status == 200

        return kept / await seconds(walk)

    async def yardstick() -> float:
        async def drop(_: bytes) -> None:
            pass

        return kept / await seconds(lambda: connection.copy_from_query(YARDSTICK, book.account, book.group, output=drop))

    before = _memory(house.pid)
    await csv()
    rows = [Row("filtered dump, CSV", *await in_turn(ROUNDS, csv, yardstick), 0.5, "rows/s")]
    rows.append(Row("filtered dump, JSON pages", *await in_turn(ROUNDS, json, yardstick), 0.5, "rows/s"))
    grown = _memory(house.pid)
    rows.append(Row("memory of the largest process after the dumps", grown, before, grown / before, 1.5, "MB", higher_is_better=False))
    await connection.close()
    return rows


def _memory(pid: int) -> float:
    """Resident MB of the server's largest process."""
    server = psutil.Process(pid)
    return max(process.memory_info().rss for process in [server, *server.children(recursive=True)]) / 2**20
