"""What is wrong with a request before core sees it. Dialects map these as they map core's own."""

from reachbook.core.errors import ReachbookError


class MalformedError(ReachbookError):
    """The body is not JSON."""


class DeadlineError(ReachbookError):
    """The request took longer than it may."""
