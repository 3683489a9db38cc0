"""Where the database is: somebody's server by URL, or the embedded one in the data folder."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reachbook.database.embedded import open_embedded


@dataclass(frozen=True)
class Location:
    """URLs of one database: the schema's owner migrates, the application works."""

    owner_url: str
    app_url: str
    app_role: str | None = None
    """Taken on by the application's connections where both URLs name the same user."""


@contextmanager
def locate(folder: Path, app_url: str | None, owner_url: str | None) -> Generator[Location]:
    """The database for as long as the context lasts; the embedded one is started or joined, and let go of at the end."""
    if app_url is not None:
        yield Location(owner_url or app_url, app_url, None if owner_url else "reachbook_app")
        return
    embedded = open_embedded(folder)
    try:
        yield Location(embedded.owner_url, embedded.app_url)
    finally:
        embedded.close()
