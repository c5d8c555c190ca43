"""What every answer tells browsers to refuse; and that no other site's pages may read any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Lines = tuple[tuple[bytes, bytes], ...]

# Two years, as browsers' own lists of such sites ask for.
_ONLY_TLS: Final = {"strict-transport-security": "max-age=63072000"}
# Nothing of ours is another site's to read; whichever part of the server says otherwise is wrong.
_CROSS_ORIGIN: Final = b"access-control-"

_API: Final = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Headers:
    """Headers of some answers.

    Attributes:
        lines: as ASGI has them, in the place of those that the application sets.
        names: theirs.
        amend: changes the start of an answer once they are on it; None for nothing.
    """

    lines: Lines
    names: frozenset[bytes]
    amend: Callable[[Scope, Message], None] | None = None


def api_headers(*, is_behind_tls: bool) -> Headers:
    """What the API's answers carry: they are no pages, and load nothing."""
    return headers_of(_API, is_behind_tls=is_behind_tls)


def headers_of(
    wanted: dict[str, str],
    *,
    is_behind_tls: bool,
    amend: Callable[[Scope, Message], None] | None = None,
) -> Headers:
    """Headers by their names; behind TLS with the one that keeps browsers to it."""
    given = wanted | _ONLY_TLS if is_behind_tls else wanted
    lines = tuple((name.encode(), value.encode()) for name, value in given.items())
    return Headers(lines, frozenset(name for name, _ in lines), amend)


class SecurityHeaders:
    """ASGI middleware: puts headers on every answer, in the place of those that are there.

    What would let another origin's page read an answer is taken off.
    """

    def __init__(self, app: ASGIApp, choose: Callable[[Scope], Headers]) -> None:
        """Wraps an application.

        Args:
            app: the application.
            choose: the headers for a request.
        """
        self._app = app
        self._choose = choose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        chosen = self._choose(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                # ASGI has names in lower case.
                message["headers"] = [
                    (name, value)
                    for name, value in message.get("headers", ())
                    if name not in chosen.names and name[:15] != _CROSS_ORIGIN
                ]
                message["headers"] += chosen.lines
                if chosen.amend is not None:
                    chosen.amend(scope, message)
            await send(message)

        await self._app(scope, receive, send_with_headers)
