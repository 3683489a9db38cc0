"""Every file of the corpus, imported into an empty group: the buckets that it should give, or its refusal."""

from typing import Any

import pytest

from reachbook.core.ids import AccountId
from reachbook.database.pool import Pool
from reachbook.files.unpack import MOST_BYTES
from tests.core.importing import begun, bring, buckets, work
from tests.files.case import Case
from tests.files.corpus import CASES

NAMELESS = ("title_above_the_header",)  # nothing of it is known: refused as a whole before any row is
COUNTED = [case for case in CASES if case.buckets is not None and case.name not in NAMELESS]
OTHERS = [case for case in CASES if case.error is None and case not in COUNTED]
REFUSED = [case for case in CASES if case.error is not None and case.limit == MOST_BYTES and case.bytes()]


@pytest.fixture
def db(quiet: Pool) -> Pool:
    """No server's worker comes between."""
    return quiet


def options(case: Case) -> dict[str, Any]:
    """How the case is to be read."""
    reading = case.reading
    named = {"encoding": reading.encoding, "delimiter": reading.delimiter, "sheet": reading.sheet, "has_header": reading.has_header}
    return {"group_name": "Corpus", **named}


@pytest.mark.parametrize("case", COUNTED, ids=str)
async def test_buckets(db: Pool, account: AccountId, case: Case) -> None:
    """As the case says; the same file again changes nothing (which is tried where reading it takes no time)."""
    done = await bring(db, account, case.bytes(), case.filename, **options(case))
    assert done.state == "done", done.error
    assert buckets(done) == {bucket: count for bucket, count in (case.buckets or {}).items() if count}
    if case.kind == "xlsx":
        return
    again = await bring(db, account, case.bytes(), case.filename, **options(case))
    assert (again.created, again.updated, again.refused, again.duplicate) == (0, 0, done.refused, done.duplicate)


@pytest.mark.parametrize("case", OTHERS, ids=str)
async def test_rows_are_accounted_for(db: Pool, account: AccountId, case: Case) -> None:
    """Or the file is refused as a whole because none of its columns is known."""
    done = await bring(db, account, case.bytes(), case.filename, **options(case))
    if done.state == "failed":
        assert "No column of the file is known" in (done.error or "")
    else:
        assert (done.state, done.done_rows) == ("done", case.total())


@pytest.mark.parametrize("case", REFUSED, ids=str)
async def test_a_refused_file_says_why(db: Pool, account: AccountId, case: Case) -> None:
    """And leaves nothing behind."""
    failed = await work(db, account, await begun(db, account, case.bytes(), case.filename, **options(case)))
    assert failed.state == "failed"
    assert case.error is not None
    assert case.error in (failed.error or "")
    assert await db.fetchval("SELECT count(*) FROM contact_group WHERE account_id = $1", account) == 0
