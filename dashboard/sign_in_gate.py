"""What a browser gets without a sign-in: the way to one, and nothing else.

Pages themselves draw nothing for somebody who is not signed in (dashboard/app.py). This is the
layer before them: it keeps the address that somebody wanted until they are, and serves no download
to anybody else.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import quote, unquote, urlencode

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.cookies import NEXT, cookies_of
from dashboard.local_path import START, local_path
from dashboard.login import NOBODY, Login, Standing, Unknowable
from dashboard.same_origin import is_from_our_page
from dashboard.sign_in_form import SIGN_IN_PATH, SIGN_OUT_PATH, STYLE_PATH
from engine.access.roles import Permission, may
from engine.api.app import PREFIX
from engine.api.edge import header_of
from engine.api.refusing import Refuser, address_of
from engine.errors import ErrorCode, Refusal

# These have a lock of their own, need none, or are how one signs in.
_OTHERS: Final = (
    "/api", "/healthz", "/readyz", "/metrics", "/auth", "/oauth2callback", "/_stcore", "/static",
    "/component",
)  # fmt: skip
# Exactly these: below the same root stands the page of one's own account.
_FORMS: Final = frozenset({SIGN_IN_PATH, SIGN_OUT_PATH, STYLE_PATH})
# Streamlit answers there, and nothing of ours needs it: programs have the API.
_CLOSED: Final = ("/_stcore/agent", "/_stcore/metrics")
# The one file that a page takes is a checklist, of whoever may make a release.
_UPLOADS: Final = "/_stcore/upload_file"
_API: Final = PREFIX + "/"
_DOWNLOADS: Final = "/media"
_SIGN_OUT_OF_STREAMLIT: Final = "/auth/logout"
# As long as somebody may take at their provider.
_NEXT_S: Final = 900
_SEE_OTHER: Final = 303

_NOTHING_THERE: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED, "Nothing is served at this address."
)
_SIGN_IN_FIRST: Final = Refusal(ErrorCode.AUTHENTICATION_FAILED, "Sign in first.")
_FROM_ELSEWHERE: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED, "Another site's page cannot do this for you."
)
_NO_FILES: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED, "Your role sends no files; a lead's does."
)
_UNKNOWABLE: Final = Refusal(
    ErrorCode.DATABASE_TIMEOUT, "The database does not answer; try again in a moment."
)
_STILL_SIGNED_IN: Final = Refusal(
    ErrorCode.DATABASE_TIMEOUT,
    "The database does not answer, and you are still signed in; try again in a moment.",
)


class SignInGate:
    """ASGI middleware: sends whoever is not signed in to where they can."""

    def __init__(self, app: ASGIApp, login: Login, refuser: Refuser) -> None:
        """Wraps an application.

        Args:
            app: the application.
            login: who is signed in with which cookie.
            refuser: answers what is nobody's to ask.
        """
        self._app = app
        self._login = login
        self._refuser = refuser

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if path.startswith(_API):  # saves wait for nothing here
            await self._app(scope, receive, send)
        elif (refusal := self._refusal_of_everybody(scope, path)) is not None:
            await self._refuser.refuse(scope, send, refusal)
        elif self._login.is_local:
            await self._app(scope, receive, send)
        elif _is_below(path, (_UPLOADS,)):
            await self._hand_on(scope, receive, send, Permission.SIGN_OFF)
        elif _is_below(path, (_DOWNLOADS,)):
            await self._hand_on(scope, receive, send)
        elif path == _SIGN_OUT_OF_STREAMLIT and _is_cross_site(scope):
            await self._refuser.refuse(scope, send, _FROM_ELSEWHERE)
        elif path == _SIGN_OUT_OF_STREAMLIT and self._login.is_by_provider:
            await self._serve_sign_out(scope, receive, send)
        elif _is_page(scope, path):
            await self._serve_page(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal_of_everybody(self, scope: Scope, path: str) -> Refusal | None:
        """Why something is served to nobody, whoever asks; None when it may be."""
        if _is_below(path, _CLOSED):
            return _NOTHING_THERE
        if _is_below(path, (_UPLOADS,)) and not is_from_our_page(
            Headers(scope=scope), self._login.origin
        ):
            return _FROM_ELSEWHERE
        return None

    async def _hand_on(
        self, scope: Scope, receive: Receive, send: Send, needed: Permission | None = None
    ) -> None:
        """Hands a file on, up or down, for who is signed in and may; its size is Streamlit's.

        Args:
            scope: of the request.
            receive: its body.
            send: the answer.
            needed: what their role has to permit; None where any will do.
        """
        try:
            standing = await self._standing(scope)
        except Unknowable:
            await self._refuser.refuse(scope, send, _UNKNOWABLE)
            return
        if standing.signed_in is None:
            await self._refuser.refuse(scope, send, _SIGN_IN_FIRST)
        elif needed is not None and not may(standing.signed_in.role, needed):
            await self._refuser.refuse(scope, send, _NO_FILES)
        else:
            await self._app(scope, receive, send)

    async def _serve_sign_out(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ends what Streamlit knows nothing of, before it takes its own cookie away."""
        try:
            standing = await self._standing(scope)
            if standing.signed_in is not None:
                await asyncio.to_thread(self._login.sign_out, standing.signed_in, address_of(scope))
        except Unknowable:
            await self._refuser.refuse(scope, send, _STILL_SIGNED_IN)
            return
        await self._app(scope, receive, send)

    async def _serve_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = _address(scope)
        try:
            standing = await self._standing(scope)
        except Unknowable:
            # The page says so itself, in its own words.
            await self._app(scope, receive, send)
            return
        cookies = self._login.cookies
        stashed = cookies.read(cookies_of(scope), NEXT)
        if standing.signed_in is not None:
            goal = START if stashed is None else local_path(unquote(stashed))
            if goal != START and wanted == START:
                # An identity provider's answer leads to the first page, whatever was wanted.
                await _redirect(send, goal, cookies.removal(NEXT))
            else:
                await self._app(scope, receive, send)
        elif not self._login.is_by_provider:
            query = "" if wanted == START else f"?{urlencode({'next': wanted})}"
            await _redirect(send, SIGN_IN_PATH + query)
        elif wanted == START:
            # May be the answer of a provider that has refused: what was wanted is kept.
            await self._app(scope, receive, send)
        else:
            # The way in is drawn at the first address; no other page exists for them.
            await _redirect(send, START, cookies.setting(NEXT, quote(wanted, safe="/"), _NEXT_S))

    async def _standing(self, scope: Scope) -> Standing:
        found = cookies_of(scope)
        if not found:
            return NOBODY
        return await asyncio.to_thread(self._login.standing, found, address_of(scope))


def _is_page(scope: Scope, path: str) -> bool:
    """Whether a browser asks for something to show in a tab."""
    if scope["method"] != "GET" or path in _FORMS or _is_below(path, _OTHERS):
        return False
    return "text/html" in (header_of(scope, "accept") or "")


def _is_below(path: str, roots: tuple[str, ...]) -> bool:
    return any(path == root or path.startswith(root + "/") for root in roots)


def _is_cross_site(scope: Scope) -> bool:
    return header_of(scope, "sec-fetch-site") in {"cross-site", "same-site"}


def _address(scope: Scope) -> str:
    """Path and query as the browser sent them, if they are those of a page of ours."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    query: bytes = scope["query_string"]
    whole = raw.split(b"?")[0] + (b"?" + query if query else b"")
    return local_path(whole.decode("latin-1"))


async def _redirect(send: Send, goal: str, *set_cookies: str) -> None:
    headers = [
        (b"location", goal.encode("ascii")),
        (b"content-length", b"0"),
        (b"cache-control", b"no-store"),
        *((b"set-cookie", cookie.encode("ascii")) for cookie in set_cookies),
    ]
    await send({"type": "http.response.start", "status": _SEE_OTHER, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
