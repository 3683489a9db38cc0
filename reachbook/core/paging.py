"""Pages of a list."""

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Page(NamedTuple):
    """`take` rows after the first `skip`."""

    skip: int
    take: int


class Listed(NamedTuple, Generic[T]):
    """One page's rows, and how many the whole list has."""

    rows: Sequence[T]
    total: int


def cut(rows: Sequence[T], page: Page) -> Listed[T]:
    """The page of a list that is short enough to be read whole."""
    return Listed(rows[page.skip : page.skip + page.take], len(rows))
