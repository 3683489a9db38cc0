"""The apps as the tests read them: routes and documents only, so without a database behind them."""

from typing import Any

from litestar import Litestar

from reachbook import __version__
from reachbook.dialects import cm_addressbook, cm_channels, devino, digitaleo, gateway, meta, operator, own
from reachbook.dialects.meta.auth import Secrets
from reachbook.http.limits import Limits

NOTHING: Any = None
LIMITS = Limits(60, 2**20)

CM_ADDRESSBOOK: Litestar = cm_addressbook.app.litestar(NOTHING, NOTHING, __version__, LIMITS)
CM_CHANNELS: Litestar = cm_channels.app.litestar(NOTHING, NOTHING, __version__, LIMITS, cm_channels.Policy())
DEVINO: Litestar = devino.app.litestar(NOTHING, NOTHING, __version__, LIMITS)
OWN: Litestar = own.app.litestar(NOTHING, NOTHING, __version__, LIMITS)
DIGITALEO: Litestar = digitaleo.app.litestar(NOTHING, NOTHING, __version__, LIMITS)
OPERATOR: Litestar = operator.app.litestar(NOTHING, NOTHING, __version__, LIMITS)
GATEWAY: Litestar = gateway.app.litestar(NOTHING, NOTHING, __version__, LIMITS, soft_bounce_days=5)
META: Litestar = meta.app.litestar(NOTHING, NOTHING, __version__, LIMITS, Secrets(None, None))
