"""Money on the wire: a JSON number with up to 4 decimals, never through binary floating point (operator.md)."""

from decimal import Decimal
from typing import cast

import msgspec

from reachbook.core import money


def number(value: Decimal) -> float:
    """The value as a JSON number, digit for digit: `12.5`, `100`, `0`.

    It says that it is a float, so that fields of this type are described as numbers; what is written are the decimal's own digits.
    """
    return cast("float", msgspec.Raw(money.written(value).encode()))
