"""The states: the table of core/machines.py, the database's CHECKs and the statements say the same."""

import re

import pytest

from reachbook.core.machines import CLAIM, LANGUAGE, MACHINES, NUMBER, PROFILE, REQUEST, Machine
from reachbook.database.pool import Pool
from tests.core.test_statements import STATEMENTS

TABLES = {
    "channel_request": REQUEST,
    "number_request": REQUEST,
    "whatsapp_profile": PROFILE,
    "template_language": LANGUAGE,
    "keyword_claim": CLAIM,
    "phone_number": NUMBER,
}
CHECKS = """
SELECT pg_get_constraintdef(c.oid) AS text FROM pg_constraint c WHERE c.conrelid = $1::regclass AND c.contype = 'c'
"""
COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1"
UPDATE = re.compile(r"\s*UPDATE (\w+) SET (.*?)\s+WHERE (.*)", re.DOTALL)
MOVES = {
    name: (update[1], update[2], update[3])
    for name, text in STATEMENTS.items()
    if (update := UPDATE.match(text)) is not None and update[1] in TABLES and re.search(r"\bstate\b", update[2])
}
"""Statements that change a state: table, assignments, condition."""


def test_every_machine_has_its_table() -> None:
    assert set(map(id, TABLES.values())) == set(map(id, MACHINES.values()))


@pytest.mark.parametrize("table", TABLES)
async def test_the_database_knows_the_same_states(db: Pool, table: str) -> None:
    found = [row["text"] for row in await db.fetch(CHECKS, table)]
    (states,) = [set(re.findall(r"'(\w+)'::text", text)) for text in found if text.startswith("CHECK ((state = ANY (ARRAY[")]
    assert states == TABLES[table].states()


@pytest.mark.parametrize("table", TABLES)
async def test_what_events_set_are_columns(db: Pool, table: str) -> None:
    columns = {row["column_name"] for row in await db.fetch(COLUMNS, table)}
    for event in TABLES[table].events.values():
        assert set(event.sets) <= columns


@pytest.mark.parametrize("name", MACHINES)
def test_every_state_can_be_reached(name: str) -> None:
    machine = MACHINES[name]
    reached, before = set(machine.start), set[str]()
    while reached != before:
        before = set(reached)
        reached |= {event.target for event in machine.events.values() if reached.intersection(event.sources)}
    assert reached == machine.states()
    assert {source for event in machine.events.values() for source in event.sources} <= machine.states()


def test_moves_are_found() -> None:
    """As many as there are events, but for what a profile's and a language's share; each table has some."""
    assert len(MOVES) >= sum(len(machine.events) for machine in MACHINES.values())
    assert {table for table, _, _ in MOVES.values()} == set(TABLES)


@pytest.mark.parametrize("name", MOVES)
def test_a_statement_moves_as_the_table_says(name: str) -> None:
    """Each is one event: what it sets, and the states that it starts from."""
    table, sets, condition = MOVES[name]
    machine = TABLES[table]
    events = [event for event in machine.events if machine.allows(event) in condition and matches(machine, event, sets)]
    assert events, f"{name} is no event of the table"  # what verifies a profile begins as what approves it
    assert len(re.findall(r"\bstate\b", sets)) == condition.count("state IN") == 1
    assert re.search(r"= *(,|$)", sets) is None, "an instant is made of nothing"


def test_every_event_has_a_statement() -> None:
    for table, machine in TABLES.items():
        moved = {event for of, sets, _ in MOVES.values() if of == table for event in machine.events if matches(machine, event, sets)}
        missing = set(machine.events) - moved
        assert missing <= ({"end"} if table == "channel_request" else set()), f"only a number can be given back: {missing}"


def matches(machine: Machine, event: str, sets: str) -> bool:
    """Whether the assignments are those of this event, whatever stands for the instant and the reason."""
    now, reason = "\x01", "\x02"
    pattern = re.escape(machine.change(event, now=now, reason=reason))
    instant, why = r"(?:\$\d+(?:::\w+)?|now\(\))", r"(?:\$\d+(?:::\w+)?|NULL)"
    return re.match(pattern.replace(now, instant).replace(reason, why), sets) is not None
