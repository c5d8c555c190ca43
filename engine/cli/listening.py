"""Where a process listens: the address in words, and whether it is to be had."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack

from engine.errors import SetupError

_BACKLOG = 2048  # uvicorn's own
# Of a name with several addresses, those of a family that this machine does not have.
_NO_SUCH_FAMILY = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


def url_of(host: str, port: int) -> str:
    """The URL of a server on this machine."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listen(host: str, port: int, remedy: str) -> list[socket.socket]:
    """Sockets that listen on every address of a host.

    Args:
        host: name or address.
        port: the same for all.
        remedy: what chooses another port, for the message.

    Raises:
        SetupError: the port is in use or not ours to take, or the host is not this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise SetupError(f"SAVEGUARD_HOST {host}: is no address of this machine") from None
    with ExitStack() as opened:
        listening = []
        for family, kind, protocol, _name, address in dict.fromkeys(found):
            try:
                listening.append(opened.enter_context(_listening(family, kind, protocol, address)))
            except OSError as error:
                if error.errno not in _NO_SUCH_FAMILY:
                    raise SetupError(_why_not(error, port, remedy)) from None
        if not listening:
            raise SetupError(f"SAVEGUARD_HOST {host}: is no address of this machine")
        opened.pop_all()
    return listening


def require_free(host: str, port: int, remedy: str) -> None:
    """Makes sure that one can listen there, before anything else is touched.

    Raises:
        SetupError: as `listen`.
    """
    for each in listen(host, port, remedy):
        each.close()


def _listening(
    family: int, kind: int, protocol: int, address: tuple[str | int | bytes, ...]
) -> socket.socket:
    opened = socket.socket(family, kind, protocol)
    try:
        # As every server does: connections of the one before linger for a minute.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(_BACKLOG)
    except BaseException:
        opened.close()
        raise
    return opened


def _why_not(error: OSError, port: int, remedy: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use: stop what listens there, or choose another with {remedy}"
    return (
        f"cannot listen on port {port} ({os.strerror(error.errno or 0)}): choose another with"
        f" {remedy}"
    )
