"""Where an account may have its messages sent: the rules for URLs and addresses of endpoints (cm-channels.md, inbound.md). Pure.

What the URL says is checked when it is set; what its name resolves to, when something is sent.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

from reachbook.core.limits import URL_LENGTH

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]

UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}\.?", re.IGNORECASE)
NAT64 = IPv6Network("64:ff9b::/96")
LOOPBACK = IPv4Address("127.0.0.1")


def networks(text: str) -> Networks:
    """A comma-separated list of networks, as the operator's allow-list is written. Raises ValueError."""
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def check(url: str, allowed: Networks = ()) -> str:
    """The URL, trimmed. Raises ValueError with the reason."""
    written = url.strip()
    if not written:
        raise ValueError("is required")
    if len(written) > URL_LENGTH:
        raise ValueError(f"is longer than {URL_LENGTH:,} characters")
    if UNPRINTABLE.search(written):
        raise ValueError("contains blanks, control characters or backslashes")
    try:
        parts = urlsplit(written)
        host, port = _as_looked_up(parts.hostname or ""), parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme.lower() not in ("https", "http"):
        raise ValueError("must begin with https:// or http://")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise ValueError("must not have a user name or password")
    if "#" in written:
        raise ValueError("must not have a fragment (#…)")
    if not host or any(letter in host for letter in "{}%<>\"'|^`,;$&()*!") or port == 0:
        raise ValueError("has no host that can be sent to")
    if f".{host.rstrip('.')}".endswith(".localhost"):
        address: Address | None = LOOPBACK
    else:
        address = literal(host)
    if address is not None and (reason := refusal(address, allowed)):
        raise ValueError(f"leads to {reason}")
    return written


def _as_looked_up(host: str) -> str:
    """In the letters that names are looked up by: `127。1` is 127.1 there. Raises ValueError."""
    return host.encode("idna").decode().lower()


def literal(host: str) -> Address | None:
    """The address, if the host is one in any spelling that a resolver takes: `127.1` and `0x7f000001` are one too."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    if NUMERIC.fullmatch(host):
        try:
            return IPv4Address(socket.inet_aton(host.rstrip(".")))
        except OSError:
            return None
    return None


def refusal(address: Address, allowed: Networks = ()) -> str | None:
    """Why nothing is sent to this address; None if it may be."""
    for one in _carried(address):
        if _is_public(one):
            continue
        if any(one in network for network in allowed if network.version == one.version):
            continue
        if one.is_loopback:
            return "a loopback address"
        if one.is_link_local:
            return "a link-local address"
        return "a private address" if one.is_private else "an address that is not public"
    return None


def _is_public(address: Address) -> bool:
    is_site_local = isinstance(address, IPv6Address) and address.is_site_local
    return address.is_global and not (address.is_multicast or address.is_reserved or is_site_local)


def _carried(address: Address) -> Iterable[Address]:
    """The address, or what it stands for: IPv4 within IPv6."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return (address.ipv4_mapped,)
        if address.sixtofour is not None:
            return (address.sixtofour,)
        if address in NAT64:
            return (IPv4Address(int(address) & 0xFFFFFFFF),)
    return (address,)
