"""Somebody at the dashboard's addresses, with a browser's headers and cookies and no browser."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import httpx
from pydantic import SecretStr
from sqlmodel import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message

from dashboard import asgi
from dashboard.account_routes import account_routes, icon_route
from dashboard.login import Login
from engine.access.audit import Actor, Way
from engine.access.passwords import hash_password
from engine.access.roles import Role
from engine.access.tables import Account, AccountPassword, AuditEvent
from engine.database.sessions import session_of
from engine.runtime import Runtime
from engine.settings import Settings

HOST: Final = "saves.example.org"
PASSWORD: Final = "a password of a test"  # noqa: S105
_TOKEN: Final = re.compile(r'name="token" value="([^"]*)"')
_PAGE: Final = {"accept": "text/html,application/xhtml+xml", "sec-fetch-site": "none"}
_OURS: Final = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
_SECRET: Final = SecretStr("of a test, and long enough for that")


def with_login(settings: Settings, **changes: Any) -> Settings:
    """Settings of an installation that people sign in to."""
    given = {"login": "password", "public_url": f"http://{HOST}", "cookie_secret": _SECRET}
    return settings.model_copy(update=given | changes)


def briefly(settings: Settings) -> Settings:
    """Settings of who waits for hardly anything."""
    return settings.model_copy(update={"lock_timeout": timedelta(milliseconds=30)})


def application(login: Login) -> Starlette:
    """Our layers and addresses, around something that stands for Streamlit and for the API."""

    async def inner(request: Request) -> Response:
        answer = PlainTextResponse(f"inside {request.url.path}", media_type="text/html")
        answer.headers["access-control-allow-origin"] = "*"
        answer.headers["cache-control"] = "public, max-age=31536000"
        answer.set_cookie("_streamlit_xsrf", "x")
        if request.url.path == "/oauth2callback":
            answer.set_cookie("_streamlit_user", "y", max_age=30 * 24 * 3600, httponly=True)
        return answer

    everything = Route("/{path:path}", inner, methods=["GET", "POST", "PUT", "OPTIONS"])
    routes = [*account_routes(login), icon_route(), everything]
    return Starlette(routes=routes, middleware=asgi.middleware(login))


class Visitor:
    """Keeps cookies; follows no redirect."""

    def __init__(
        self, login: Login, address: str = "198.51.100.7", *, scheme: str = "http"
    ) -> None:
        self._app = application(login)
        self._address = address
        self._base = f"{scheme}://{HOST}"
        self.cookies = httpx.Cookies()

    def get(self, path: str, **headers: str) -> httpx.Response:
        """A page, as a browser asks for one."""
        return self.send("GET", path, {**_PAGE, **_named(headers)})

    def post(self, path: str, fields: Mapping[str, str], **headers: str) -> httpx.Response:
        """A form of a page of ours."""
        return self.send("POST", path, {**_OURS, **_named(headers)}, data=fields)

    def sign_in(
        self, email: str, password: str = PASSWORD, goal: str = "/", **headers: str
    ) -> httpx.Response:
        """Fills in the form and sends it."""
        form = self.get(f"/account/sign-in?next={goal}").text
        token = _TOKEN.search(form)
        assert token is not None, form
        fields = {"email": email, "password": password, "next": goal, "token": token[1]}
        return self.post("/account/sign-in", fields, **headers)

    def send(
        self, method: str, path: str, headers: Mapping[str, str], **more: Any
    ) -> httpx.Response:
        """A request as it is given."""

        async def sent() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, client=(self._address, 4711))
            async with httpx.AsyncClient(
                transport=transport, base_url=self._base, cookies=self.cookies
            ) as client:
                answer = await client.request(method, path, headers=headers, **more)
                self.cookies = client.cookies
                return answer

        return asyncio.run(sent())

    def socket(self, headers: Mapping[str, str]) -> list[str]:
        """What becomes of a websocket: the kinds of what it is sent."""
        sent: list[str] = []

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            sent.append(message["type"])

        scope = {
            "type": "websocket",
            "path": "/_stcore/stream",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": (self._address, 4711),
        }
        asyncio.run(self._app(scope, receive, send))
        return sent


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def add_person(
    runtime: Runtime, email: str, role: Role | None = Role.LEAD, *, password: str | None = PASSWORD
) -> Account:
    """An account that can sign in with a password."""
    clock = runtime.clock
    account = Account(id=clock.uuid7(), email=email, role=role, created_at=clock.now())
    with session_of(runtime.target) as session:
        session.expire_on_commit = False
        session.add(account)
        session.flush()
        if password is not None:
            session.add(
                AccountPassword(
                    account_id=account.id,
                    password_hash=hash_password(password),
                    changed_at=clock.now(),
                )
            )
    return account


def trail(runtime: Runtime, action: str) -> list[AuditEvent]:
    """What the audit trail has of an action, oldest first."""
    with session_of(runtime.target) as session:
        session.expire_on_commit = False
        found = select(AuditEvent).where(AuditEvent.action == action)
        return sorted(session.exec(found), key=lambda each: each.id)


def administrator(runtime: Runtime) -> Actor:
    """Somebody at a terminal of the machine."""
    return Actor(None, "of a test", Way.TERMINAL, None, f"REQ-{runtime.clock.uuid7()}")
