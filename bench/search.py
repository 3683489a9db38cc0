"""Search over a million contacts, 95th percentile, against the bare indexed query."""

import random
import statistics
import time
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from bench.house import BIG, FIRST, LAST, House, Http, Row
from reachbook.core.text import fold

COUNT = 200

YARDSTICK = """
SELECT c.id, c.first_name, c.insertion, c.last_name, c.email, c.phone, c.phone_country, c.created_at
FROM contact_search s JOIN contact c ON c.account_id = s.account_id AND c.id = s.contact_id
WHERE s.account_id = $1 AND s.text LIKE ALL ($2::text[]) LIMIT 100
"""


async def run(house: House) -> list[Row]:
    """Milliseconds: e-mail addresses, numbers, names with another word, companies."""
    chance = random.Random(3)
    queries = [_query(chance) for _ in range(COUNT)]
    client = await Http(house.port, house.big.token).open()
    connection = await house.connection()

    async def ours(query: str) -> None:
        status, _ = await client.call("GET", f"/addressbook/v2/accounts/{house.big.account}/search?q={quote(query)}")
        assert status == 200

    async def bare(query: str) -> None:
        words = [f"%{word.lstrip('+')}%" for word in fold(query).split()]
        await connection.fetch(YARDSTICK, house.big.account, words)

    for query in queries[:20]:
        await ours(query)
        await bare(query)
    times = [(await _ms(ours, query), await _ms(bare, query)) for query in queries]
    p95 = [statistics.quantiles(column, n=20)[-1] for column in zip(*times, strict=True)]
    await connection.close()
    return [Row("search, p95", p95[0], p95[1], p95[0] / p95[1], 2.0, "ms", higher_is_better=False)]


def _query(chance: random.Random) -> str:
    number = chance.randrange(BIG)
    return chance.choice(
        [
            f".{number}@example.com",
            f"+316{10_000_000 + number}",
            f"0{600_000_000 + 10_000_000 + number}",
            f"{chance.choice(FIRST)} {number}",
            f"{chance.choice(LAST).split()[-1]} company {number % 5000}",
        ]
    )


async def _ms(work: Callable[[str], Awaitable[None]], query: str) -> float:
    started = time.perf_counter()
    await work(query)
    return (time.perf_counter() - started) * 1000
