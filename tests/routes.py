"""The apps as the tests read them: routes and documents only, so without a database behind them."""

from typing import Any

from litestar import Litestar

from reachbook import __version__
from reachbook.dialects import cm_addressbook, devino, digitaleo, gateway, own
from reachbook.http.limits import Limits

NOTHING: Any = None
LIMITS = Limits(60, 2**20)

CM_ADDRESSBOOK: Litestar = cm_addressbook.app.litestar(NOTHING, NOTHING, __version__, LIMITS)
DEVINO: Litestar = devino.app.litestar(NOTHING, NOTHING, __version__, LIMITS)
OWN: Litestar = own.app.litestar(NOTHING, NOTHING, __version__, LIMITS)
DIGITALEO: Litestar = digitaleo.app.litestar(NOTHING, NOTHING, __version__, LIMITS)
GATEWAY: Litestar = gateway.app.litestar(NOTHING, NOTHING, __version__, LIMITS, soft_bounce_days=5)
