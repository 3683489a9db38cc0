"""The apps as the tests read them: routes and documents only, so without a database behind them."""

from typing import Any

from litestar import Litestar

from reachbook import __version__
from reachbook.dialects.cm_addressbook.app import litestar
from reachbook.http.limits import Limits

NOTHING: Any = None

CM_ADDRESSBOOK: Litestar = litestar(NOTHING, NOTHING, __version__, Limits(60, 2**20))
