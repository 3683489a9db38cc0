"""What the operator has configured and this dialect acts by."""

from typing import NamedTuple, cast

from reachbook.core.endpoint_urls import Networks
from reachbook.core.one_time_codes import Senders
from reachbook.http.request import AppRequest


class Policy(NamedTuple):
    """`allowed` are networks that endpoints may be in though they are not public; `public_url` is where clients reach this server."""

    senders: Senders = Senders()
    allowed: Networks = ()
    public_url: str | None = None


def policy(request: AppRequest) -> Policy:
    """The dialect's own."""
    return cast("Policy", request.app.state.policy)


def base_url(request: AppRequest) -> str:
    """Where the client reaches this server, without a slash behind it."""
    return (policy(request).public_url or str(request.base_url)).rstrip("/")
