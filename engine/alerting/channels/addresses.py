"""Which addresses nothing is sent to, and how a receiver's address is written.

A receiver in the same network is one that somebody may well have. What answers on link-local and
metadata addresses is the machine's own environment: it hands out credentials and listens to
whoever asks, so that a mistyped or planted address must not lead there.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address

# Metadata services that are not on a link-local address.
_METADATA: Final = tuple(
    map(
        ip_network,
        (
            "100.100.100.200/32",
            "168.63.129.16/32",
            "192.0.0.192/32",
            "fd00:ec2::254/128",
            "fd20:ce::254/128",
        ),
    )
)
_NAT64: Final = ip_network("64:ff9b::/96")
_HTTP: Final = {"https": 443, "http": 80}


class MalformedError(ValueError):
    """It is no address that something can be sent to; the message has no part of it."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where something is sent to.

    Attributes:
        url: all of it, which may be a secret.
        host: its name or address.
        port: of it.
        is_tls: whether over TLS; without, loopback alone will do.
    """

    url: str
    host: str
    port: int
    is_tls: bool


def receiver_of(url: str) -> Receiver:
    """A receiver from its address.

    Raises:
        MalformedError: it is none, or would send in plain text over a network.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise MalformedError("is not a well-formed address") from None
    host = parts.hostname or ""
    if parts.scheme not in _HTTP or not host or not url.isascii() or not url.isprintable():
        raise MalformedError("must be an address that starts with https://")
    if " " in url or parts.username is not None or parts.password is not None:
        raise MalformedError("must not hold a name and password, nor spaces")
    is_tls = parts.scheme == "https"
    if not is_tls and not is_loopback_name(host):
        raise MalformedError("must start with https:// unless it is on loopback")
    return Receiver(url, host, _HTTP[parts.scheme] if port is None else port, is_tls)


def is_loopback_name(host: str) -> bool:
    """Whether a name or address can mean this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def forbidden(address: Address, *, is_tls: bool) -> bool:
    """Whether nothing is sent to an address.

    Args:
        address: that a name led to.
        is_tls: whether what is sent is protected on the way.
    """
    plain = _unwrapped(address)
    return (
        plain.is_link_local
        or plain.is_multicast
        or plain.is_unspecified
        or (plain.is_reserved and not plain.is_loopback)
        or any(plain in network for network in _METADATA if network.version == plain.version)
        or not (is_tls or plain.is_loopback)
    )


def addresses_of(host: str, port: int) -> list[Address]:
    """The addresses that a name leads to.

    Raises:
        OSError: to none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    unique = dict.fromkeys(str(where[0]).partition("%")[0] for *_, where in found)
    return [ip_address(each) for each in unique]


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
