"""Local mode is for this machine's own user: what a proxy hands on is refused.

Whoever reaches the pages then operates them. A proxy on this machine reaches them on loopback, and
brings strangers; it says so in a header of its own.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from engine.api.refusing import Refuser
from engine.errors import ErrorCode, Refusal

_OF_PROXIES: Final = frozenset({b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via"})

_HANDED_ON: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED,
    "This dashboard is in local mode and serves its own machine only, not what a proxy hands on;"
    " set SAVEGUARD_LOGIN to password or oidc first.",
)


class LocalOnly:
    """ASGI middleware: refuses every request and websocket that a proxy hands on."""

    def __init__(self, app: ASGIApp, refuser: Refuser) -> None:
        """Wraps an application.

        Args:
            app: the application.
            refuser: answers what was handed on.
        """
        self._app = app
        self._refuser = refuser

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] in {"http", "websocket"} and any(
            name in _OF_PROXIES for name, _ in scope["headers"]
        ):
            await self._refuser.refuse(scope, send, _HANDED_ON)
            return
        await self._app(scope, receive, send)
