"""What an import says when it is asked: its counts, and the rows that did not come in as a file to be corrected and brought again."""

import csv
import io
from collections.abc import Sequence

from reachbook.core import imports
from reachbook.core.headers import HOUSEKEEPING
from reachbook.core.ids import AccountId
from reachbook.core.imports import BUCKETS, Import, Outcome
from reachbook.database.queries import Database, Write

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # by which Excel knows that letters with accents follow
PAGE = 1_000


def counts(done: Import) -> dict[str, int]:
    """Rows and buckets, as every report names them: the buckets add up to the rows."""
    return {"rows": done.done_rows, **{bucket: getattr(done, bucket) for bucket in BUCKETS}, "optedOut": done.opted_out}


async def write_rows(db: Database, account: AccountId, done: Import, kind: str, write: Write) -> None:
    """CSV for a spreadsheet: the rows of one kind of imports.REPORTED as they stood in the file, and `row`, `field` and `reason` of each.

    Cells are as they came; the reasons are ours.
    """
    columns = done.plan.columns if done.plan is not None else []
    await write(BYTE_ORDER_MARK + _lines([[*columns, *HOUSEKEEPING]]))
    after = -1
    while found := await imports.outcomes(db, account, done.id, kind, after, PAGE):
        await write(_lines([_row(outcome, len(columns), kind) for outcome in found]))
        after = found[-1].number


def _row(outcome: Outcome, width: int, kind: str) -> list[str]:
    cells = [*outcome.cells, *[""] * (width - len(outcome.cells))]
    if kind == "kept":
        return [*cells, str(outcome.number), "", f"contact {outcome.contact} was changed since the import and is left as it is"]
    fields = "; ".join(dict.fromkeys(column for column, _ in outcome.faults if column))
    reasons = "; ".join(f"{column}: {reason}" if column and len(outcome.faults) > 1 else reason for column, reason in outcome.faults)
    # A row with more cells than the header keeps them, before ours: nothing of it is lost.
    return [*cells, str(outcome.number), fields, reasons]


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
