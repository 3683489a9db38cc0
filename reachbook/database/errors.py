"""What can be wrong with the database."""


class DatabaseError(Exception):
    """The database can't be used as configured; the text says why and what to do."""


class UnavailableError(Exception):
    """The database did not answer, or not in time; the same call may succeed later."""


class TimedOutError(UnavailableError):
    """The statement took longer than it may."""


def redacted(url: str) -> str:
    """The URL without its password, for messages."""
    head, separator, tail = url.rpartition("@")
    scheme, _, user = head.partition("://")
    return f"{scheme}://{user.partition(':')[0]}@{tail}" if separator else url
