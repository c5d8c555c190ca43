"""Which names requests may be addressed to; any other is refused before it is looked at.

A page from elsewhere can have its own name point at this machine, and would then talk to us as if
we were that page's server. What it cannot do is address us by a name of ours.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from engine.api.refusing import Refuser
from engine.errors import ErrorCode, Refusal, SetupError
from engine.settings import Settings

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_ANY: Final = "*"
# A name, an IPv4 address, or an IPv6 address in brackets; then a port, if any.
_HOST: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
# As many spellings as anybody needs; only allowed ones are kept.
_REMEMBERED: Final = 64
# Probes address a machine by its number, and learn nothing here but whether it is well.
_PROBED: Final = frozenset({"/healthz", "/readyz"})
_MISDIRECTED: Final = 421
_PORT_MAX: Final = 65_535

_UNKNOWN: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED,
    "No such host is served here; use the address that this installation is known by.",
    http_status=_MISDIRECTED,
)


def is_wildcard(host: str) -> bool:
    """Whether listening on an address means listening on every address of the machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return not host


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def allowed_hosts(settings: Settings) -> tuple[str, ...]:
    """The names that requests may be addressed to, without ports and brackets.

    Args:
        settings: what is listened on, and what its names are.

    Returns:
        Those of the settings, of the address that is listened on, of the public URL, of loopback.
        `*` is any; `*.example.org` is any below that.

    Raises:
        SetupError: every address is listened on, and none of our names is known.
    """
    given = [entry for entry in re.split(r"[,\s]+", settings.allowed_hosts) if entry]
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    if is_wildcard(settings.host) and not given and public is None:
        raise SetupError(
            f"SAVEGUARD_HOST {settings.host}: requests may come by any name then; say by which in"
            " SAVEGUARD_ALLOWED_HOSTS, by commas, or give SAVEGUARD_PUBLIC_URL"
        )
    own = [] if is_wildcard(settings.host) else [settings.host]
    names = [*given, *own, *([public] if public else []), *_LOOPBACK]
    return tuple(dict.fromkeys(_bare(name) for name in names))


class AllowedHosts:
    """Decides about the Host of a request."""

    def __init__(self, names: Iterable[str]) -> None:
        """Takes the names, see `allowed_hosts`."""
        entries = frozenset(names)
        self._is_any = _ANY in entries
        self._suffixes = tuple(entry[1:] for entry in entries if entry.startswith("*."))
        self._names = entries
        self._known: set[bytes] = set()

    def allows(self, header: bytes) -> bool:
        """Whether a Host header names us."""
        if header in self._known:
            return True
        matched = _HOST.fullmatch(header.decode("latin-1"))
        if matched is None or int(matched["port"] or 0) > _PORT_MAX:
            return False
        name = _bare(matched["name"])
        is_ours = self._is_any or name in self._names or name.endswith(self._suffixes or ("\0",))
        if is_ours and len(self._known) < _REMEMBERED:
            self._known.add(header)
        return is_ours


class HostGuard:
    """ASGI middleware: refuses what is addressed to a name that is not ours."""

    def __init__(self, app: ASGIApp, hosts: AllowedHosts, refuser: Refuser) -> None:
        """Wraps an application.

        Args:
            app: the application.
            hosts: which names are ours.
            refuser: answers the rest.
        """
        self._app = app
        self._hosts = hosts
        self._refuser = refuser

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] in _PROBED:
            await self._app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == b"host"]
        if len(given) == 1 and self._hosts.allows(given[0]):
            await self._app(scope, receive, send)
            return
        await self._refuser.refuse(scope, send, _UNKNOWN)


def _bare(name: str) -> str:
    """A name as it is compared: without a port, brackets, a last dot or capitals."""
    matched = _HOST.fullmatch(name)
    return (matched["name"] if matched else name).strip("[]").rstrip(".").lower()
