"""Query parameters that several endpoints of document 003 have, and how they are read."""

from typing import Annotated

from litestar.params import QueryParameter

from reachbook.core.errors import invalid

Skip = Annotated[int | None, QueryParameter(name="skip", description="Rows to leave out at the start.")]
Take = Annotated[int | None, QueryParameter(name="take", description="Rows to answer; 1,000 unless given, 10,000 at most.")]
Simulate = Annotated[bool | None, QueryParameter(name="simulate", description="Only say what would be answered; nothing changes.")]
Country = Annotated[str | None, QueryParameter(name="country", description="ISO 3166-1 alpha-2, in any case.")]
Text = Annotated[str | None, QueryParameter(name="q", description="A part of the name or number.")]


def required(text: str | None, name: str) -> str:
    """A text that has to be there. Raises InvalidError."""
    if not text or not text.strip():
        raise invalid(name, "is required")
    return text


def several(given: list[str] | None) -> list[str] | None:
    """The values of a parameter that may be repeated or hold them separated by commas."""
    return None if given is None else [part.strip() for text in given for part in text.split(",") if part.strip()]
