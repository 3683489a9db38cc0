"""What the tests of every dialect have."""

from collections.abc import Generator

import pytest


@pytest.fixture
def statuses() -> Generator[set[int]]:
    """What an operation answered; at least one of its requests must have reached its object, or little is tested."""
    seen: set[int] = set()
    yield seen
    assert any(status < 300 for status in seen), f"no request succeeded: {seen}"
