"""Rules that hold for every function and statement of core."""

import ast
import importlib
import pkgutil
from pathlib import Path

import asyncpg
import pytest

from reachbook import core
from reachbook.core import templates

MODULES = [importlib.import_module(f"reachbook.core.{module.name}") for module in pkgutil.iter_modules(core.__path__)]
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
STATEMENTS: dict[str, str] = {
    f"{module.__name__.rpartition('.')[2]}.{name}": text
    for module in MODULES
    for name, text in vars(module).items()
    if name.isupper() and isinstance(text, str) and text.lstrip().startswith(VERBS)
}
STATEMENTS |= {f"templates.DECISIONS.{event}": text for event, text in templates.DECISIONS.items()}
# What is there before any account is known, or for all of them.
INSTALLATION = {
    "accounts.create",
    "accounts.update",
    "accounts.list_page",
    "channel_requests.account_of",
    "charges.of_month",
    "delivery_work.due",
    "delivery_work.hold",
    "delivery_work.overdue",
    "delivery_work.purge",
    "delivery_work.release",
    "delivery_work.take",
    "inbound._mark_use",
    "inbound._routed",
    "inbound._write",
    "inbound.accept",
    "inbound.accept_all",
    "inbound.purge",
    "inbound_consent._concerned",
    "inbound_consent.apply",
    "intake._take",
    "keywords.purge",
    "messages.list_unrouted",
    "messages.purge",
    "numbers._listed",
    "numbers._serve",
    "numbers._types_in",
    "numbers.choose",
    "numbers.free",
    "numbers.hand_over_rested",
    "numbers.hold_types",
    "numbers.list_stock",
    "numbers.stock",
    "numbers.withdraw",
    "provider_templates.claim_due",
    "provider_templates.heard",
    "provider_templates.next_poll",
    "routing.destinations",
    "routing.owners",
    "work_queue.account_of",
    "work_queue.list_all",
    "queue_view.list_all",
    "queue_view.get",
    "queue_view.approve",
    "queue_view.reject",
    "queue_view._shown",
    "bounces.purge",
    "bounces.take_all",
    "accounts.list_all",
    "counts.fold",
    "figures.read",
    "mass.prepare",
    "idempotency.purge",
    "import_claims.are_waiting",
    "import_claims.take_next",
    "imports.account_of",
    "imports.purge",
    "indexing.index_due",
    "retention.all_accounts",
    "retention.due",
    "statistics_folder.fold_all",
    "statistics_days.keep_day",
}
OF_NO_ACCOUNT = {"tokens", "catalogues", "one_time_codes", "simulation"}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_every_statement_prepares(name: str, owner: asyncpg.Connection) -> None:
    await owner.prepare(STATEMENTS[name])


def test_statements_are_found() -> None:
    assert len(STATEMENTS) > 40


def functions() -> list[tuple[str, ast.AsyncFunctionDef]]:
    """Every async function at the top of a module of core, by its name."""
    found: list[tuple[str, ast.AsyncFunctionDef]] = []
    for path in sorted(Path(core.__path__[0]).glob("*.py")):
        found += [(f"{path.stem}.{node.name}", node) for node in ast.parse(path.read_text()).body if isinstance(node, ast.AsyncFunctionDef)]
    return found


@pytest.mark.parametrize(("name", "function"), functions(), ids=lambda value: value if isinstance(value, str) else "")
def test_the_account_comes_first(name: str, function: ast.AsyncFunctionDef) -> None:
    arguments = [argument.arg for argument in function.args.args]
    if name in INSTALLATION or name.partition(".")[0] in OF_NO_ACCOUNT:
        assert "account" not in arguments or name.startswith("tokens.")
        return
    assert arguments[:2] in (["db", "account"], ["tx", "account"]), f"{name}{tuple(arguments)}"
