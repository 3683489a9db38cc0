"""What the log does not say."""

import subprocess
import sys

import pytest

SCRIPT = """
import structlog
from reachbook import log

log.configure("info", "{form}")

def work(token):
    raise ValueError("broken")

try:
    work("s3" + "cret")
except ValueError as error:
    structlog.get_logger("test").error("defect", exc_info=error)
"""


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_trace_has_no_values(form: str) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT.replace("{form}", form)], capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    assert "broken" in said
    assert "work" in said
    assert "s3cret" not in said
