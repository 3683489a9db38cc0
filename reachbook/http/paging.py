"""Paging parameters as a page of core, and totals as headers."""

from reachbook.core.errors import invalid
from reachbook.core.paging import Listed, Page, T

LARGEST_SKIP = 2**63 - 1


def page(skip: int | None, take: int | None, *, default: int = 1_000, most: int = 10_000) -> Page:
    """The page asked for: more than `most` is cut to that. Raises InvalidError for a negative number."""
    for name, value in (("skip", skip), ("take", take)):
        if value is not None and value < 0:
            raise invalid(name, "must not be negative")
    return Page(min(skip or 0, LARGEST_SKIP), min(default if take is None else take, most))


def headers(page: Page, listed: Listed[T]) -> dict[str, str]:
    """What a list says of itself, CM's names."""
    return {
        "X-Cm-Pagination-Total": str(listed.total),
        "X-Cm-Pagination-Skip": str(page.skip),
        "X-Cm-Pagination-Take": str(page.take),
    }
