"""Hostile text at the door: in the form to sign in, its address, its cookies and its headers."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx
import psycopg
import pytest
from argon2 import PasswordHasher

from dashboard.login import Login
from engine.access import passwords
from engine.database.target import Target
from engine.runtime import Runtime, open_runtime
from engine.settings import Settings
from tests.dashboard.visitor import HOST, Visitor, add_person, with_login
from tests.injections import ALL, OWNED

_EMAIL: Final = "lead@example.org"
_HEADERS: Final = (
    "Cookie", "Origin", "Referer", "User-Agent", "X-Correlation-ID", "X-Forwarded-For",
    "X-Forwarded-Host", "X-Forwarded-Proto",
)  # fmt: skip
_ROWS: Final = b"SELECT (SELECT count(*) FROM sign_in), (SELECT array_agg(a) FROM account a)"


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a hash costs is another test's to look at."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", cheap)
    passwords._nobodys.cache_clear()
    yield
    passwords._nobodys.cache_clear()


@pytest.fixture
def runtime(settings: Settings, target: Target) -> Iterator[Runtime]:
    with open_runtime(with_login(settings), target) as opened:
        yield opened


def check(answer: httpx.Response, text: str) -> None:
    """Asserts that an answer is one of ours: no fault, no foreign header, nobody else's address."""
    assert answer.status_code < 500, (text, answer.text)
    assert not {"x-injected", "refresh"} & {name.lower() for name in answer.headers}
    for cookie in answer.headers.get_list("set-cookie"):
        assert not cookie.startswith("a=")
    location = answer.headers.get("location")
    if location is not None:
        assert location.startswith("/")
        assert not location.startswith(("//", "/\\"))
        assert urlsplit(location).netloc in {"", HOST}
        assert "\n" not in location
        assert "\r" not in location
    Elements(text).feed(answer.text)


class Elements(HTMLParser):
    """Asserts of every element of a page that it is one of ours."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "img", "iframe", "svg", "math", "style", "b", "object"}
        for name, value in attrs:
            assert not name.startswith("on"), self._text
            assert (name, value) != ("id", OWNED), self._text
            if name in {"href", "src", "action"}:
                assert (value or "").startswith("/"), self._text
                assert not (value or "").startswith("//"), self._text


def test_hostile_text_at_the_door_stays_text_and_lets_nobody_in(
    runtime: Runtime, target: Target
) -> None:
    add_person(runtime, _EMAIL)
    login = Login(runtime)
    with psycopg.connect(target.owner, autocommit=True) as connection:
        before = connection.execute(_ROWS).fetchone()
        for number, (_, text) in enumerate(ALL):
            visitor = Visitor(login, f"198.51.100.{number}")
            for answer in _tried(visitor, text):
                check(answer, text)
            assert visitor.get("/lookup").status_code == 303, text

        assert connection.execute(_ROWS).fetchone() == before


def _tried(visitor: Visitor, text: str) -> Iterator[httpx.Response]:
    spelled = quote(text.encode(), safe="")
    yield visitor.get(f"/account/sign-in?next={spelled}&{spelled}={spelled}&signed={spelled}")
    yield visitor.sign_in(text, text, spelled)
    fields: dict[str, Any] = dict.fromkeys(("email", "password", "next", "token"), text)
    yield visitor.post("/account/sign-in", {**fields, text: text})
    if text.isascii() and text.isprintable():
        yield visitor.send("GET", "/account/sign-in", {"accept": "text/html", "host": text})
        named = dict.fromkeys(_HEADERS, text) | {"accept": "text/html"}
        yield visitor.send("GET", "/account/sign-in", named)
        held = f"saveguard={spelled}; __Host-saveguard={text}"
        yield visitor.send("GET", "/lookup", {"accept": "text/html", "cookie": held})
