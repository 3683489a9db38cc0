"""`make bench`: every row (or those named), a table, and bench/latest.json."""

import asyncio
import importlib
import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench.house import Row, open_house

NAMES = [
    "bulk_upload",
    "batch_upload",
    "single_create",
    "filtered_dump",
    "search",
    "pages",
    "statistics",
    "segments",
    "channels",
    "inbound",
    "files",
]
LATEST = Path(__file__).parent / "latest.json"


async def main(names: list[str]) -> None:
    """Measure, print, write."""
    rows: list[Row] = []
    async with open_house() as house:
        for name in names:
            print(f"{name} …", flush=True)
            rows += await importlib.import_module(f"bench.{name}").run(house)
    table = Table("row", "ours", "yardstick", "unit", "ratio", "target", "holds")
    for row in rows:
        sign = "≥" if row.higher_is_better else "≤"
        figures = (f"{row.ours:,.1f}", f"{row.yardstick:,.1f}", row.unit, f"{row.ratio:.2f}", f"{sign} {row.target}")
        table.add_row(row.name, *figures, "yes" if row.holds else "NO")
    Console(width=120).print(table)
    written = [
        {"name": r.name, "ours": r.ours, "yardstick": r.yardstick, "ratio": r.ratio, "target": r.target, "holds": r.holds} for r in rows
    ]
    LATEST.write_bytes(msgspec.json.format(msgspec.json.encode({"rows": written})))


asyncio.run(main(sys.argv[1:] or NAMES))
