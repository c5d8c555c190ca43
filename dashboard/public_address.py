"""The address at which people reach the dashboard."""

from __future__ import annotations

from typing import Final

from engine.cli.listening import url_of
from engine.settings import Settings

_TLS: Final = "https://"
# What a browser leaves out of its address bar.
_DEFAULT_PORTS: Final = {_TLS: ":443", "http://": ":80"}


def public_address(settings: Settings) -> str:
    """Scheme, host and port, as a browser has them in its address bar; it is the origin, too."""
    address = (settings.public_url or url_of(settings.host, settings.port)).lower()
    for scheme, port in _DEFAULT_PORTS.items():
        if address.startswith(scheme):
            address = address.removesuffix(port)
    return address


def is_behind_tls(settings: Settings) -> bool:
    """Whether browsers reach us by TLS, so that a cookie may insist on it."""
    return public_address(settings).startswith(_TLS)
