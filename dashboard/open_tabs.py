"""Tabs that are open: each is cut off when what it was opened with is no longer worth the same.

A page that does not refresh would else go on showing what it has shown, and a tab could ask for
more. So the line of a tab whose sign-in has ended, or whose account may do something else now, is
served no more, and the browser is told to load the page anew, as whoever it then is.
One look every half of a second serves all tabs of the process; it costs the database nothing beyond
what `engine.access.sign_ins` asks anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from dashboard.cookies import cookies_of
from dashboard.login import Login, Unknowable
from dashboard.same_origin import is_foreign_socket
from engine.access.sign_ins import SignedIn
from engine.api.refusing import Refuser, address_of
from engine.errors import ErrorCode, Refusal
from engine.logs import report

_LOOK_S: Final = 0.5
# A browser that is there takes a message at once; one that is not is given up.
_CUT_S: Final = 5.0
_DISCONNECT: Final[Message] = {"type": "websocket.disconnect", "code": 1008}
# Streamlit's third word at the door names a session to go on with.
_RESUMES: Final = 3

_FOREIGN: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED, "Another site's page cannot read this dashboard."
)
_UNKNOWABLE: Final = Refusal(ErrorCode.DATABASE_TIMEOUT, "The database does not answer.")


@dataclass(eq=False)
class _Tab:
    """One line to a browser."""

    send: Send
    line: str | None
    held: bytes | None
    worth: tuple[object, ...] | None = None
    is_over: bool = False

    async def cut(self) -> None:
        """Serves it no more; the browser loads the page anew."""
        self.is_over = True
        reload = ForwardMsg()
        # An empty address is the page's own.
        reload.auth_redirect.url = ""
        await self.send({"type": "websocket.send", "bytes": reload.SerializeToString()})


class OpenTabs:
    """ASGI middleware around the websockets of pages."""

    def __init__(self, app: ASGIApp, login: Login, refuser: Refuser) -> None:
        """Wraps an application.

        Args:
            app: the application.
            login: who is signed in with which cookie.
            refuser: answers what another site's page opens.
        """
        self._app = app
        self._login = login
        self._refuser = refuser
        self._tabs: set[_Tab] = set()
        self._watch: asyncio.Task[None] | None = None
        self._cuts: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if is_foreign_socket(headers, self._login.origin):
            await self._refuser.refuse(scope, send, _FOREIGN)
        elif self._login.is_local:
            await self._app(scope, receive, send)
        else:
            await self._serve(scope, headers, receive, send)

    async def _serve(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        try:
            standing = await asyncio.to_thread(
                self._login.standing, cookies_of(scope), address_of(scope)
            )
        except Unknowable:
            # Pages draw nothing for whom they cannot tell; the browser asks again by itself.
            await self._refuser.refuse(scope, send, _UNKNOWABLE)
            return
        line = headers.get("sec-websocket-key")
        tab = _Tab(send, line, standing.token_hash, _worth(standing.signed_in))
        if tab.worth is None and (not self._login.is_by_provider or _resumes(headers)):
            await self._turn_away(headers, receive, tab)
            return

        async def receive_while_open() -> Message:
            message = await receive()
            return {**_DISCONNECT} if tab.is_over else message

        async def send_while_open(message: Message) -> None:
            if not tab.is_over or message["type"] == "websocket.close":
                await send(message)

        self._tabs.add(tab)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look_after(), name="open tabs")
        try:
            await self._app(scope, receive_while_open, send_while_open)
        finally:
            self._tabs.discard(tab)

    async def _turn_away(self, headers: Headers, receive: Receive, tab: _Tab) -> None:
        """Has a browser load its page anew that comes back without a sign-in."""
        await receive()  # it says that it connects
        words = headers.get("sec-websocket-protocol", "").split(",")
        accept: Message = {"type": "websocket.accept", "subprotocol": words[0].strip() or None}
        await tab.send(accept)
        await tab.cut()
        await tab.send({"type": "websocket.close", "code": 1008})

    async def _look_after(self) -> None:
        """Looks at all tabs again and again, as long as there are any."""
        while self._tabs:
            await asyncio.sleep(_LOOK_S)
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001  # without it, no tab would be cut any more
                report("open tabs", error)

    async def _look(self) -> None:
        tabs = [tab for tab in self._tabs if not tab.is_over and tab.worth is not None]
        for tab in await asyncio.to_thread(self._changed, tabs):
            # From here on it is served no more, whether or not its browser takes the message.
            tab.is_over = True
            # A browser that takes nothing keeps nobody else waiting.
            cut = asyncio.create_task(self._cut(tab), name="cut a tab")
            self._cuts.add(cut)
            cut.add_done_callback(self._cuts.discard)

    async def _cut(self, tab: _Tab) -> None:
        try:
            async with asyncio.timeout(_CUT_S):
                await tab.cut()
        except Exception as error:  # noqa: BLE001  # a line that broke is not the others'
            structlog.get_logger().info("tab_lost", error=type(error).__name__)

    def _changed(self, tabs: Sequence[_Tab]) -> list[_Tab]:
        """The tabs that are not worth what they were; while nobody can say, none."""
        try:
            return [
                tab
                for tab in tabs
                if _worth(self._login.holder(tab.held)) != tab.worth
                and not self._login.is_leaving(tab.line)
            ]
        except Unknowable:
            return []


def _worth(signed_in: SignedIn | None) -> tuple[object, ...] | None:
    """What a tab may show, so that one sees when that is something else."""
    if signed_in is None:
        return None
    return signed_in.account_id, signed_in.role, signed_in.agent_id


def _resumes(headers: Headers) -> bool:
    words = [word.strip() for word in headers.get("sec-websocket-protocol", "").split(",")]
    return len(words) >= _RESUMES and bool(words[_RESUMES - 1])
