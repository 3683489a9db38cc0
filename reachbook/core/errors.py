"""Everything that core refuses, in one tree. Errors mean something and know no status: each dialect maps them to its wire."""

from collections.abc import Sequence
from typing import NamedTuple

Path = tuple[str | int, ...]


class Fault(NamedTuple):
    """One thing that is wrong with what was given.

    `path` leads to it in core's own names, rows by zero-based index: `(3, "email")`, `("values", 0, "field_id")`.
    """

    path: Path
    message: str


class ReachbookError(Exception):
    """Refused; `message` is for the person at the other end, `about` the thing at fault in core's own names (`group`), if any."""

    def __init__(self, message: str, about: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.about = about


class InvalidError(ReachbookError):
    """What was given can't be taken. Nothing of it was stored."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults[0].message if len(faults) == 1 else f"{len(faults)} values can't be taken.")
        self.faults = faults


class NotFoundError(ReachbookError):
    """There is no such thing in this account."""


class ConflictError(ReachbookError):
    """The thing is in a state that does not allow this; `faults` are the reasons one by one, where there are several."""

    def __init__(self, message: str, about: str = "", faults: Sequence[Fault] = ()) -> None:
        super().__init__(message, about)
        self.faults = faults


class TooOftenError(ReachbookError):
    """More often than is allowed; after `seconds` it may be tried again."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class TooLargeError(ReachbookError):
    """More in one call than the limits allow."""


class UnauthenticatedError(ReachbookError):
    """No token, or one that is unknown, expired or revoked."""


class ForbiddenError(ReachbookError):
    """The token is good, but not for this."""


def invalid(name: str, message: str) -> InvalidError:
    """One fault at one name."""
    return InvalidError([Fault((name,), message)])
