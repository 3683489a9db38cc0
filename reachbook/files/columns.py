"""Columns of a file that has no header: they are found as its rows are read."""

from reachbook.files.errors import FileError

MOST = 2_000


class Columns:
    """Names in the order in which they first came; the same whatever their case."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._places: dict[str, int] = {}

    def put(self, cells: list[str], name: str, text: str) -> int:
        """Set the cell of this column; answers its place. Raises FileError when there are too many."""
        key = " ".join(name.split()).casefold()
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self.names)
            self.names.append(" ".join(name.split()))
            if len(self.names) > MOST:
                raise FileError(f"The file has more than {MOST:,} different columns.")
        cells += [""] * (place + 1 - len(cells))
        cells[place] = text
        return place
