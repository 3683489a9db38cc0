"""The corpus of nasty contact files: `python -m tests.files.corpus FOLDER` writes them all, each into a folder of its name."""

import sys
from pathlib import Path

from tests.files import card_cases, delimited_cases, json_cases, packed_cases, sheet_cases
from tests.files.case import Case

CASES: list[Case] = [
    *delimited_cases.CASES,
    *packed_cases.CASES,
    *sheet_cases.CASES,
    *json_cases.CASES,
    *card_cases.CASES,
]


def write(case: Case, folder: Path) -> Path:
    """Make the file in this folder."""
    path = folder / case.filename
    path.write_bytes(case.bytes())
    return path


def main(folder: Path) -> None:
    """Write every file, for looking at."""
    for case in CASES:
        own = folder / case.name
        own.mkdir(parents=True, exist_ok=True)
        expected = case.error or case.buckets or "no buckets"
        print(f"{write(case, own)}: {expected}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
