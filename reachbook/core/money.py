"""Money: decimal, never binary floating point; up to 12 digits before the point and 4 behind it (operator.md)."""

import re
from decimal import Decimal

from reachbook.core.errors import Fault, Path

LARGEST = Decimal(10) ** 12
CURRENCY = re.compile("[A-Z]{3}")


def cost(value: Decimal, path: Path, faults: list[Fault]) -> Decimal:
    """A cost as it is kept. What is wrong with it is added to `faults`."""
    if not value.is_finite() or not 0 <= value < LARGEST:
        faults.append(Fault(path, "must be 0 or more, and less than a trillion"))
        return Decimal(0)
    if value != round(value, 4):
        faults.append(Fault(path, "has more than 4 decimals"))
    return value


def currency(text: str, path: Path, faults: list[Fault]) -> str:
    """An ISO 4217 code. What is wrong with it is added to `faults`."""
    written = text.strip().upper()
    if CURRENCY.fullmatch(written) is None:
        faults.append(Fault(path, "must be an ISO 4217 code such as EUR"))
    return written


def written(value: Decimal) -> str:
    """Without exponent or trailing zeros: `12.5`, `100`, `0`."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
