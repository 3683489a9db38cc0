"""GUIDs as clients write them: with hyphens or without, in any case; braces and other forms of Python's are none."""

import re
from uuid import UUID

from reachbook.core.errors import invalid

GUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


def guid(text: str | None, name: str) -> UUID:
    """A GUID that has to be there. Raises InvalidError."""
    if not text:
        raise invalid(name, "is required")
    if GUID.fullmatch(text.strip()) is None:
        raise invalid(name, "is not a GUID")
    return UUID(text.strip())


def guid_if_any(text: str | None, name: str) -> UUID | None:
    """A GUID that may be left out. Raises InvalidError."""
    return guid(text, name) if text else None
