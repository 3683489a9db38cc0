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
