"""CSV and its relatives: any usual delimiter, quoting, line end and encoding, rows of unequal length."""

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from reachbook.files import encoding
from reachbook.files.encoding import Encoding
from reachbook.files.errors import FileError
from reachbook.files.rows import Row

DELIMITERS = ",;\t|"
NO_DELIMITERS = '"\r\n\0 '
SAMPLE = 10_000  # characters that the delimiter is told from
LONGEST_CELL = 4 * 2**20  # beyond, a quotation mark is open that was never meant to be

END = "\uffff\uffff"
"""A line put after the last: within a cell it tells of a quotation mark that is still open. No text has this character."""

csv.field_size_limit(LONGEST_CELL)


def read(path: Path, encoding_name: str | None, delimiter: str | None) -> Iterator[Row]:
    """Every record, the header too, numbered as a spreadsheet would. Raises FileError."""
    if delimiter is not None and (len(delimiter) != 1 or delimiter in NO_DELIMITERS):
        raise FileError(f"{delimiter!r} can't be a delimiter.")
    found = encoding.named(encoding_name) if encoding_name else encoding.detect(path)
    with encoding.open_text(path, found, newline="") as text:
        sample = text.read(SAMPLE)
    first, _, rest = sample.partition("\n")
    says = _separator_line(first)
    with encoding.open_text(path, found, newline="") as text:
        if says is not None:
            text.readline()
            sample = rest
        yield from _records(text, delimiter or says or detect(sample), found, 2 if says else 1)


def _separator_line(line: str) -> str | None:
    """The delimiter that Excel's own first line `sep=;` names."""
    bare = line.rstrip("\r\n").strip('"')
    return bare[4] if len(bare) == len("sep=;") and bare.lower().startswith("sep=") else None


def detect(sample: str) -> str:
    """The delimiter, from the beginning of a file; a file of one column has none, and a comma does for it."""
    lines = sample.splitlines(keepends=True)
    whole = "".join(lines[:-1]) if len(sample) >= SAMPLE and len(lines) > 1 else sample
    present = [candidate for candidate in DELIMITERS if candidate in whole]
    if len(present) <= 1:
        return present[0] if present else ","
    # A header in which only one of them occurs has said it.
    header = next(csv.reader([lines[0]]), [lines[0]]) if lines else []
    in_header = [candidate for candidate in present if any(candidate in cell for cell in header) or candidate in lines[0]]
    if len(in_header) == 1:
        return in_header[0]
    import clevercsv  # few files need it, and every command would start a fifth slower

    try:
        dialect = clevercsv.Detector().detect(whole.replace("\0", ""), delimiters=present)
    except clevercsv.Error:
        dialect = None
    return dialect.delimiter if dialect and dialect.delimiter else max(present, key=whole.count)


def _records(text: IO[str], delimiter: str, found: Encoding, first: int) -> Iterator[Row]:
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=delimiter, quotechar='"', doublequote=True)
    tolerant = found.errors != "strict"
    for number in itertools.count(first):
        began = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = "a quotation mark is opened and not closed" if "field larger" in str(error) else str(error)
            raise FileError(f"The file can't be read on from row {number} (line {reader.line_num}): {reason}.") from None
        except UnicodeDecodeError as error:
            raise FileError(f"The file is not {found.name} text: {error.reason} after line {reader.line_num}.") from None
        if lines.is_over and cells == [END]:
            return
        if lines.is_over and cells and cells[-1].endswith(END):
            raise FileError(f"The quotation mark that is opened in row {number} (line {began}) is not closed.")
        if tolerant and encoding.is_unreadable("".join(cells)):
            yield Row(number, list(map(encoding.readable, cells)), None, found.fault)
        else:
            yield Row(number, cells)


class _Lines:
    """The lines of a file and END behind the last."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self.is_over = False

    def __iter__(self) -> Iterator[str]:
        yield from self._text
        self.is_over = True
        yield END
