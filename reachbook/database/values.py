"""Bound values of a statement that is joined from fixed fragments."""


class Values:
    """Collects values; `add` gives the placeholder that stands for one in the text."""

    def __init__(self, *given: object) -> None:
        self.bound = list(given)

    def add(self, value: object, type: str = "") -> str:
        """`$n`, or `$n::type`, for this value."""
        self.bound.append(value)
        return f"${len(self.bound)}{'::' if type else ''}{type}"
