"""What gateways tell, as data: every case of cases/*.json against a real server."""

from pathlib import Path

import pytest

from reachbook.database.pool import Pool
from tests.dialects import golden
from tests.dialects.gateway.behind import variables
from tests.dialects.golden import Beside
from tests.routes import GATEWAY
from tests.support import Client

CASES = Path(__file__).parent / "cases"
BASE = "/gateway/v1/"


@pytest.mark.parametrize(
    ("file", "index", "case"), golden.load(CASES), ids=lambda value: value.get("name") if isinstance(value, dict) else str(value)
)
async def test_case(file: str, index: int, case: golden.Case, alice: Client, bob: Client, db: Pool, request: pytest.FixtureRequest) -> None:
    update = request.config.getoption("--update")
    beside = Beside(variables=await variables(db, alice, bob))
    await golden.play_as(alice, bob, db, case, BASE, update=update, caller="gateway", beside=beside)
    if update:
        golden.rewrite(CASES / file, index, case)


@pytest.mark.parametrize("endpoint", golden.routes_below(GATEWAY, BASE), ids=" ".join)
def test_every_endpoint_has_a_case_that_succeeds_and_one_that_fails(endpoint: tuple[str, str]) -> None:
    statuses = {step["status"] for _, _, case in golden.load(CASES) for step in case["steps"] if golden.calls(step, endpoint, BASE)}
    assert any(status < 300 for status in statuses), "no case succeeds"
    assert any(status >= 400 for status in statuses), "no case fails"
