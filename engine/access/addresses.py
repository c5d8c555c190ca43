"""Addresses of callers: as they are written down, and as they are counted."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

# Where no address is known, as behind a Unix socket, everybody is counted as one.
UNKNOWN: Final = "unknown"
# What a customer of a provider gets at least: whoever has one address of it has them all.
_IPV6_PREFIX: Final = 64


def address_of(host: str | None) -> str | None:
    """The address that a text says, as it is usually written; None when it says none.

    The text may come from a header of a proxy, and so may be anything.
    """
    address = _parsed(host)
    return None if address is None else str(address)


def network_of(address: str | None) -> str:
    """What counts as one caller: an IPv4 address, or the /64 of an IPv6 one."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((int(parsed), _IPV6_PREFIX), strict=False))
    return UNKNOWN if parsed is None else str(parsed)


def _parsed(host: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address((host or "").partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
