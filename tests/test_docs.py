"""What the docs draw from the code is what the code says."""

from pathlib import Path

from reachbook.core.imports import EVENTS
from reachbook.core.machines import MACHINES

DOCS = Path(__file__).parent.parent / "docs"


def test_states_of_an_import() -> None:
    drawn = [
        line for line in (DOCS / "imports.md").read_text().splitlines() if line.startswith("| ") and line.split(" | ")[0][2:] in EVENTS
    ]
    assert drawn == [f"| {event} | {', '.join(sources)} | {target} |" for event, (sources, target) in EVENTS.items()]


def test_states_of_channels() -> None:
    lines = (DOCS / "channels.md").read_text().splitlines()
    drawn = [line for line in lines if line.startswith("| ") and line.split(" | ")[0][2:] in MACHINES]
    assert drawn == [
        f"| {name} | {event} | {', '.join(sources)} | {target} | {', '.join(f'{column} = {value}' for column, value in sets.items())} |"
        for name, machine in MACHINES.items()
        for event, (sources, target, sets) in machine.events.items()
    ]
