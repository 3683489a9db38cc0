"""An account's own words of consent, when several are added at once."""

import asyncio

from reachbook.core import ids, reviews
from reachbook.core.limits import CONSENT_WORDS
from reachbook.database.pool import Pool
from tests.dialects.own.support import Own


async def test_no_more_words_than_allowed_though_they_come_at_once(hers: Own, db: Pool) -> None:
    for number in range(1, CONSENT_WORDS):
        await reviews.save_word(db, hers.cm.account, f"word{number}", "stop", ids.now())
    answers = await asyncio.gather(*(hers.post("consentwords", json={"word": f"one more {n}", "means": "stop"}) for n in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 7]
    assert len((await hers.get("consentwords")).json()) == CONSENT_WORDS
