"""Tabs that are open are cut off when what they were opened with is no longer worth the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from structlog.testing import capture_logs

from dashboard import open_tabs
from dashboard.cookies import SIGN_IN
from dashboard.login import Login
from dashboard.open_tabs import OpenTabs
from engine.access.administration import set_role
from engine.access.roles import Role
from engine.access.signing_in import end_sign_ins, hash_token
from engine.access.tables import SignIn
from engine.api.refusing import Refuser
from engine.clock import FrozenClock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.runtime import Runtime, open_runtime
from engine.settings import Settings
from tests.dashboard.attempts import END
from tests.dashboard.visitor import HOST, add_person, administrator, with_login

_PATIENCE_S = 30.0
_TOKEN = "of a browser"  # noqa: S105


@pytest.fixture(autouse=True)
def _looks_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_tabs, "_LOOK_S", 0.0)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(END)


@pytest.fixture
def runtime(settings: Settings, target: Target, clock: FrozenClock) -> Iterator[Runtime]:
    with open_runtime(with_login(settings), target, clock=clock) as opened:
        yield opened


class Tab:
    """A browser's end of a websocket, and a page at the other end that sends whatever comes."""

    def __init__(self, login: Login, **headers: str) -> None:
        self._app = OpenTabs(
            self._page, login, Refuser(login.runtime.read_pool, login.runtime.clock)
        )
        self.headers = {"host": HOST, "sec_websocket_protocol": "streamlit", **headers}
        self.to_page: asyncio.Queue[Message] = asyncio.Queue()
        self.from_page: asyncio.Queue[Message] = asyncio.Queue()
        self.takes: Send = self.from_page.put
        self.was_heard: list[bytes] = []

    async def _page(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "streamlit"})
        while (message := await receive())["type"] == "websocket.receive":
            self.was_heard.append(message["bytes"])
            await send({"type": "websocket.send", "bytes": b"drawn"})

    async def open(self) -> None:
        scope = {
            "type": "websocket",
            "path": "/_stcore/stream",
            "headers": [(name.replace("_", "-").encode(), value.encode())
                        for name, value in self.headers.items()],
            "client": ("198.51.100.7", 4711),
        }  # fmt: skip
        await self.to_page.put({"type": "websocket.connect"})
        await self._app(scope, self.to_page.get, self.takes)

    async def says(self, words: bytes) -> None:
        await self.to_page.put({"type": "websocket.receive", "bytes": words})

    async def gets(self) -> Message:
        return await asyncio.wait_for(self.from_page.get(), _PATIENCE_S)

    async def is_drawn(self) -> bool:
        await self.says(b"rerun")
        return (await self.gets()).get("bytes") == b"drawn"


class Stall:
    """A browser that takes the first message, and then no other."""

    def __init__(self) -> None:
        self.is_open, self.given_up = asyncio.Event(), asyncio.Event()

    async def take(self, _message: Message) -> None:
        if not self.is_open.is_set():
            self.is_open.set()
            return
        try:
            await asyncio.Event().wait()
        finally:
            self.given_up.set()


def is_reload(message: Message) -> bool:
    """Whether a browser is told to load the page anew."""
    said = ForwardMsg()
    said.ParseFromString(message["bytes"])
    return said.WhichOneof("type") == "auth_redirect" and said.auth_redirect.url == ""


def signed_in(login: Login) -> tuple[Any, str]:
    """An account with a sign-in, and the cookie of its browser."""
    runtime = login.runtime
    account = add_person(runtime, "lead@example.org", password=None)
    with session_of(runtime.target) as session:
        session.add(
            SignIn(
                token_hash=hash_token(_TOKEN),
                account_id=account.id,
                method="password",
                began_at=runtime.clock.now(),
                expires_at=runtime.clock.now() + runtime.settings.session_lifetime,
            )
        )
    return account.id, login.cookies.setting(SIGN_IN, _TOKEN, 60).split(";")[0]


def end(runtime: Runtime, account_id: Any) -> None:
    with session_of(runtime.target) as session:
        end_sign_ins(session, runtime.clock.now(), account_id)


def demote(runtime: Runtime, account_id: Any) -> None:
    with session_of(runtime.target) as session:
        set_role(session, runtime.clock, administrator(runtime), account_id, Role.VIEWER)


@pytest.mark.parametrize("change", [end, demote], ids=["signed out", "another role"])
def test_a_tab_is_served_no_more_once_it_is_worth_something_else(
    runtime: Runtime, clock: FrozenClock, change: Callable[[Runtime, Any], None]
) -> None:
    login = Login(runtime)
    account_id, cookie = signed_in(login)

    async def look() -> None:
        tab = Tab(login, cookie=cookie)
        line = asyncio.create_task(tab.open())
        assert (await tab.gets())["type"] == "websocket.accept"
        assert await tab.is_drawn()
        change(runtime, account_id)
        clock.advance(runtime.settings.identity_lifetime)

        assert is_reload(await tab.gets())
        await tab.says(b"give me more")
        await asyncio.wait_for(line, _PATIENCE_S)
        assert tab.was_heard == [b"rerun"]
        assert tab.from_page.empty()

    asyncio.run(look())


def test_a_browser_that_takes_nothing_keeps_no_other_tab_open(
    runtime: Runtime, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = Login(runtime)
    account_id, cookie = signed_in(login)
    changed = OpenTabs._changed

    def stalled_first(self: OpenTabs, tabs: Sequence[open_tabs._Tab]) -> list[open_tabs._Tab]:
        return sorted(changed(self, tabs), key=lambda tab: tab.line != "stalled")

    monkeypatch.setattr(OpenTabs, "_changed", stalled_first)

    async def look() -> None:
        stalled = Tab(login, cookie=cookie, sec_websocket_key="stalled")
        other = Tab(login, cookie=cookie, sec_websocket_key="another")
        other._app = stalled._app
        stall = Stall()
        stalled.takes = stall.take
        lines = [asyncio.create_task(tab.open()) for tab in (stalled, other)]
        assert (await other.gets())["type"] == "websocket.accept"
        await asyncio.wait_for(stall.is_open.wait(), _PATIENCE_S)
        end(runtime, account_id)
        clock.advance(runtime.settings.identity_lifetime)

        assert is_reload(await other.gets())
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)

    asyncio.run(look())


def test_a_browser_that_takes_nothing_is_given_up(
    runtime: Runtime, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_tabs, "_CUT_S", 0.0)
    login = Login(runtime)
    account_id, cookie = signed_in(login)

    async def look() -> None:
        stalled = Tab(login, cookie=cookie)
        stall = Stall()
        stalled.takes = stall.take
        line = asyncio.create_task(stalled.open())
        await asyncio.wait_for(stall.is_open.wait(), _PATIENCE_S)
        end(runtime, account_id)
        clock.advance(runtime.settings.identity_lifetime)

        await asyncio.wait_for(stall.given_up.wait(), _PATIENCE_S)
        await stalled.says(b"give me more")
        await asyncio.wait_for(line, _PATIENCE_S)
        assert stalled.was_heard == []

    with capture_logs() as logged:
        asyncio.run(look())
    assert [each["event"] for each in logged] == ["tab_lost"]


def test_tabs_are_looked_after_whatever_has_gone_wrong(
    runtime: Runtime, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = Login(runtime)
    account_id, cookie = signed_in(login)
    holder, asked = login.holder, []

    def failing_once(held: bytes | None) -> Any:
        asked.append(held)
        if len(asked) == 1:
            raise RuntimeError
        return holder(held)

    async def look() -> None:
        tab = Tab(login, cookie=cookie)
        monkeypatch.setattr(login, "holder", failing_once)
        line = asyncio.create_task(tab.open())
        assert (await tab.gets())["type"] == "websocket.accept"
        end(runtime, account_id)
        clock.advance(runtime.settings.identity_lifetime)

        assert is_reload(await tab.gets())
        line.cancel()
        await asyncio.gather(line, return_exceptions=True)

    with capture_logs() as logged:
        asyncio.run(look())
    assert [(each["event"], each["error"]) for each in logged] == [
        ("unexpected_error", "RuntimeError")
    ]


def test_a_tab_that_goes_to_its_provider_is_not_called_back(
    runtime: Runtime, clock: FrozenClock
) -> None:
    login = Login(runtime)
    account_id, cookie = signed_in(login)

    async def look() -> None:
        leaving = Tab(login, cookie=cookie, sec_websocket_key="this tab")
        other = Tab(login, cookie=cookie, sec_websocket_key="another tab")
        lines = [asyncio.create_task(tab.open()) for tab in (leaving, other)]
        for tab in (leaving, other):
            await tab.gets()
        login.leaving("this tab")
        end(runtime, account_id)
        clock.advance(runtime.settings.identity_lifetime)

        assert not is_drawn_or_told(leaving, await other.gets())
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)

    def is_drawn_or_told(tab: Tab, others: Message) -> bool:
        assert is_reload(others)
        return not tab.from_page.empty()

    asyncio.run(look())


def test_without_a_sign_in_a_tab_gets_nothing_but_the_way_to_one(runtime: Runtime) -> None:
    async def look() -> None:
        tab = Tab(Login(runtime), cookie="saveguard=forged")
        await tab.open()

        assert (await tab.gets()) == {"type": "websocket.accept", "subprotocol": "streamlit"}
        assert is_reload(await tab.gets())
        assert (await tab.gets())["type"] == "websocket.close"
        assert tab.was_heard == []

    asyncio.run(look())


def test_with_a_provider_the_way_in_is_drawn_but_no_session_goes_on(
    settings: Settings, target: Target
) -> None:
    async def look(login: Login) -> None:
        fresh = Tab(login)
        line = asyncio.create_task(fresh.open())
        await fresh.gets()
        assert await fresh.is_drawn()
        line.cancel()
        resuming = Tab(login, sec_websocket_protocol="streamlit, xsrf, of-another-session")
        await resuming.open()
        await resuming.gets()
        assert is_reload(await resuming.gets())

    with open_runtime(with_login(settings, login="oidc"), target) as runtime:
        asyncio.run(look(Login(runtime)))


@pytest.mark.parametrize("mode", ["local", "password"])
def test_another_sites_page_opens_no_line(settings: Settings, target: Target, mode: str) -> None:
    async def look(login: Login) -> None:
        for origin in ("https://elsewhere.example", "null", "http://localhost:3000"):
            tab = Tab(login, origin=origin)
            await tab.open()
            assert (await tab.gets())["type"] == "websocket.close"
            assert tab.from_page.empty()
        ours = Tab(login, origin=f"http://{HOST}")
        line = asyncio.create_task(ours.open())
        assert (await ours.gets())["type"] == "websocket.accept"
        line.cancel()

    with open_runtime(with_login(settings, login=mode), target) as runtime:
        asyncio.run(look(Login(runtime)))
