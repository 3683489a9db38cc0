"""One file of the corpus, and what is to come of it."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from reachbook.files.opening import Reading
from reachbook.files.rows import Mark
from reachbook.files.unpack import MOST_BYTES

HEADER = ["First name", "Last name", "E-mail", "Phone", "Company"]
PEOPLE = [
    ["Zoë", "Müller", "zoe@example.com", "+31612345671", "Café Ørsted"],
    ["Jan", "Jansen", "jan@example.com", "06 12345672", 'Bakkerij "De Korenaar", Bos; Zn'],
    ["Íñigo", "Castaño", "inigo@example.com", "+34612345673", "Peña | Hijos\tS.A."],
    ["Zoe", "Mueller", "zoe@example.net", "0612345671", "Once more"],
    ["Bob", "Nobody", "bob@example.com", "n/a", "No number"],
]
"""Three people, one of them twice, and one who can't be reached by phone."""

PLAIN = [["Jan", "0612345671"], ["Piet", "0612345672"]]
SHORT = ["First name", "Phone"]


def buckets(created: int = 0, duplicate: int = 0, refused: int = 0) -> dict[str, int]:
    """What an import into an empty group makes of the rows; region NL, matched by phone if there is such a column, else by e-mail."""
    return {"created": created, "duplicate": duplicate, "refused": refused}


OF_PEOPLE = buckets(created=3, duplicate=1, refused=1)


@dataclass(frozen=True)
class Case:
    """`rows` are the cells as read: None where only their number counts, or for all rows; they are numbered from `first` or by `numbers`.

    `error` is a part of the reason for which the whole file is refused; then there is nothing else to expect.
    """

    name: str
    filename: str
    content: bytes | Callable[[], bytes]
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str] | None] | None = ()
    buckets: Mapping[str, int] | None = None
    reading: Reading = field(default_factory=Reading)
    kind: str = "csv"
    has_header: bool = True
    first: int = 2
    numbers: Sequence[int] | None = None
    count: int | None = None
    faults: Mapping[int, str] = field(default_factory=dict)
    marks: Mapping[int, Mapping[int, Mark]] = field(default_factory=dict)
    error: str | None = None
    limit: int = MOST_BYTES

    def __str__(self) -> str:
        return self.name

    def bytes(self) -> bytes:
        """The file."""
        return self.content() if callable(self.content) else self.content

    def total(self) -> int:
        """How many rows there are."""
        return self.count if self.count is not None else len(self.rows or ())


def table(rows: Sequence[Sequence[str]], delimiter: str = ",", end: str = "\r\n", quoting: int = csv.QUOTE_MINIMAL) -> str:
    """Rows as a program writes them that quotes what has to be quoted."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()


def people(delimiter: str = ",", end: str = "\r\n", header: Sequence[str] = HEADER, quoting: int = csv.QUOTE_MINIMAL) -> str:
    """The usual people below a header."""
    return table([header, *PEOPLE], delimiter, end, quoting)
