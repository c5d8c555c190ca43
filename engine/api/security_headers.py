"""What every answer tells browsers to refuse; and that no other site's pages may read any."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = Sequence[tuple[bytes, bytes]]

# Two years, as browsers' own lists of such sites ask for.
_ONLY_TLS: Final = (b"strict-transport-security", b"max-age=63072000")
# Nothing of ours is another site's to read; whichever part of the server says otherwise is wrong.
_CROSS_ORIGIN: Final = b"access-control-"

_API: Final = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def api_headers(*, is_behind_tls: bool) -> tuple[tuple[bytes, bytes], ...]:
    """What the API's answers carry: they are no pages, and load nothing."""
    return (*_API, _ONLY_TLS) if is_behind_tls else _API


def header_lines(
    headers: Mapping[str, str], *, is_behind_tls: bool
) -> tuple[tuple[bytes, bytes], ...]:
    """Headers as ASGI has them."""
    lines = tuple((name.encode(), value.encode()) for name, value in headers.items())
    return (*lines, _ONLY_TLS) if is_behind_tls else lines


class SecurityHeaders:
    """ASGI middleware: puts headers on every answer, in the place of those that are there.

    What would let another origin's page read an answer is taken off.
    """

    def __init__(
        self,
        app: ASGIApp,
        choose: Callable[[Scope], Headers],
        amend: Callable[[Scope, Message], None] | None = None,
    ) -> None:
        """Wraps an application.

        Args:
            app: the application.
            choose: the headers for a request.
            amend: changes the start of an answer once they are on it.
        """
        self._app = app
        self._choose = choose
        self._amend = amend

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ours = self._choose(scope)
        names = {name for name, _ in ours}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [
                    (name, value)
                    for name, value in message.get("headers", ())
                    if name not in names and not name.lower().startswith(_CROSS_ORIGIN)
                ]
                message["headers"] = [*kept, *ours]
                if self._amend is not None:
                    self._amend(scope, message)
            await send(message)

        await self._app(scope, receive, send_with_headers)
