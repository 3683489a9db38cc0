"""Ids (UUIDv7: sortable, so a cursor by id is also by age) and instants (UTC, milliseconds: what every wire can show)."""

from datetime import UTC, datetime
from typing import NewType, cast
from uuid import UUID

import uuid_utils
import uuid_utils.compat

AccountId = NewType("AccountId", UUID)

NIL = UUID(int=0)
"""The all-zero id: the whole account among the counters, "no group" on CM's wire."""


def new_id() -> UUID:
    """A new id, greater than every one this process made before."""
    return uuid_utils.compat.uuid7()


def new_ids(count: int) -> list[UUID]:
    """Ascending new ids for a bulk write. Not quite `UUID` (a quicker type of the same face), so only for the database."""
    make = uuid_utils.uuid7
    return cast("list[UUID]", [make() for _ in range(count)])


def now() -> datetime:
    """The present instant, cut to milliseconds."""
    instant = datetime.now(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
