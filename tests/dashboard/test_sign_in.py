"""Signing in with a password and out: what a browser without a script gets to see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx
import psycopg
import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from sqlmodel import col, select, update

from dashboard.cookies import Cookies
from dashboard.login import Login
from engine.access import passwords
from engine.access.administration import set_role
from engine.access.roles import Role
from engine.access.tables import Account, AuditEvent, SignIn
from engine.clock import FrozenClock
from engine.database import sessions
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.runtime import Runtime, open_runtime
from engine.settings import Settings
from tests.dashboard.attempts import END
from tests.dashboard.visitor import (
    HOST,
    PASSWORD,
    Visitor,
    add_person,
    administrator,
    briefly,
    trail,
    with_login,
)

_LEAD = "lead@example.org"
_LINE = "the key of this tab's line"
_DEEP = "/lookup?correlation_id=REQ-7&x=a%20b"


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a hash costs is another test's to look at."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", cheap)
    passwords._nobodys.cache_clear()
    yield
    passwords._nobodys.cache_clear()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(END)


@pytest.fixture
def runtime(settings: Settings, target: Target, clock: FrozenClock) -> Iterator[Runtime]:
    with open_runtime(with_login(settings), target, clock=clock) as opened:
        yield opened


@pytest.fixture
def login(runtime: Runtime) -> Login:
    add_person(runtime, _LEAD)
    return Login(runtime)


def is_in(visitor: Visitor) -> bool:
    return visitor.get("/lookup").text == "inside /lookup"


def sign_out(visitor: Visitor, login: Login, **headers: str) -> httpx.Response:
    standing = login.standing(dict(visitor.cookies), None)
    assert standing.token_hash is not None
    token = login.cookies.sign_out_token(standing.token_hash)
    return visitor.post("/account/sign-out", {"token": token, "line": _LINE}, **headers)


def test_whoever_is_not_signed_in_gets_the_form_and_then_what_they_wanted(login: Login) -> None:
    visitor = Visitor(login)

    first = visitor.get(_DEEP)
    assert first.status_code == 303
    assert first.headers["location"] == (
        "/account/sign-in?next=%2Flookup%3Fcorrelation_id%3DREQ-7%26x%3Da%2520b"
    )
    form = visitor.get(first.headers["location"])
    assert form.headers["cache-control"] == "no-store"
    assert "<script" not in form.text
    assert 'autocomplete="username"' in form.text
    assert 'autocomplete="current-password"' in form.text
    token = re.search(r'name="token" value="([^"]*)"', form.text)
    goal = re.search(r'name="next" value="([^"]*)"', form.text)
    assert token is not None
    assert goal is not None
    fields = {
        "email": _LEAD.upper(),
        "password": PASSWORD,
        "token": token[1],
        "next": goal[1].replace("&amp;", "&"),
    }
    done = visitor.post("/account/sign-in", fields)

    assert (done.status_code, done.headers["location"]) == (303, _DEEP)
    assert visitor.get(_DEEP).text == "inside /lookup"
    assert visitor.get(f"/account/sign-in?next={_DEEP}").headers["location"].startswith("/lookup")


@pytest.mark.parametrize(
    ("wanted", "form"),
    [("/account", "?next=%2Faccount"), ("/account/", ""), ("/account/foo", "")],
)
def test_the_page_of_ones_account_is_no_exception(login: Login, wanted: str, form: str) -> None:
    first = Visitor(login).get(wanted)

    assert (first.status_code, first.headers["location"]) == (303, f"/account/sign-in{form}")


def test_after_a_change_of_password_the_form_says_so(runtime: Runtime, login: Login) -> None:
    changer, other = Visitor(login), Visitor(login)
    for each in (changer, other):
        each.sign_in(_LEAD)
    login.password_changed(dict(changer.cookies))
    with session_of(runtime.target) as session:
        session.exec(update(SignIn).values(ended_at=runtime.clock.now()))
    runtime.sign_ins.forget()

    forms = [each.get(each.get("/account").headers["location"]).text for each in (changer, other)]

    assert "Your password is changed. Sign in with the new one." in forms[0]
    assert "You have been signed out" in forms[1]


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(login: Login) -> None:
    done = Visitor(login).sign_in(_LEAD)

    (cookie,) = [c for c in done.headers.get_list("set-cookie") if c.startswith("saveguard=")]
    assert "; HttpOnly" in cookie
    assert "; SameSite=Lax" in cookie
    assert "; Path=/" in cookie
    assert "; Max-Age=43200" in cookie
    assert "Secure" not in cookie


def test_behind_tls_cookies_travel_over_tls_only(
    settings: Settings, target: Target, clock: FrozenClock
) -> None:
    behind = with_login(settings, public_url=f"https://{HOST}")
    with open_runtime(behind, target, clock=clock) as runtime:
        add_person(runtime, _LEAD)
        visitor = Visitor(Login(runtime), scheme="https")

        done = visitor.sign_in(_LEAD, origin=f"https://{HOST}")
        page = visitor.get("/lookup")

    set_cookies = [*done.headers.get_list("set-cookie"), *page.headers.get_list("set-cookie")]
    assert any(each.startswith("__Host-saveguard=") for each in set_cookies)
    assert any(each.startswith("_streamlit_xsrf=") for each in set_cookies)
    assert all(each.endswith("; Secure") for each in set_cookies)
    assert done.headers["strict-transport-security"] == "max-age=63072000"


def test_a_cookie_of_streamlits_lasts_no_longer_than_a_sign_in(login: Login) -> None:
    cookies = Visitor(login).get("/oauth2callback").headers.get_list("set-cookie")

    (identity,) = [each for each in cookies if each.startswith("_streamlit_user=")]
    assert "Max-Age=43200" in identity


def test_whatever_was_wrong_the_same_is_said(runtime: Runtime, login: Login) -> None:
    add_person(runtime, "no-password@example.org", password=None)
    add_person(runtime, "no-role@example.org", None)
    gone = add_person(runtime, "gone@example.org")
    with session_of(runtime.target) as session:
        session.exec(
            update(Account)
            .where(col(Account.id) == gone.id)
            .values(disabled_at=runtime.clock.now())
        )
    tried = [
        (_LEAD, "not this one"),
        ("nobody@example.org", PASSWORD),
        ("no-password@example.org", PASSWORD),
        ("no-role@example.org", PASSWORD),
        ("gone@example.org", PASSWORD),
        ("", ""),
        ("a\0b\ud800".encode("utf-8", "replace").decode(), "x"),
    ]

    said = set()
    for email, password in tried:
        visitor = Visitor(login)
        answer = visitor.sign_in(email, password)
        said.add((answer.status_code, _without_ids(answer.text)))
        assert not is_in(visitor)
        (row,) = [
            each
            for each in trail(runtime, "signed in")
            if each.correlation_id == answer.headers["x-correlation-id"]
        ]
        assert (row.outcome, row.error_code) == ("refused", "AUTHENTICATION_FAILED")
        assert row.address == "198.51.100.7"

    assert [status for status, _ in said] == [401]
    assert "E-mail address or password is not right." in next(iter(said))[1]


def _without_ids(page: str) -> str:
    page = re.sub(r"REQ-\w+", "REQ", re.sub(r'name="token" value="[^"]*"', "", page))
    return re.sub(r'value="[^"]*"', "", page.replace(" autofocus", ""))


def test_an_address_that_tries_many_accounts_has_to_wait_and_no_other_does(
    runtime: Runtime, login: Login
) -> None:
    most = login.settings.bad_credentials_per_minute
    guesser = Visitor(login)

    answers = [guesser.sign_in(f"{number}@people.example") for number in range(most + 1)]

    assert [each.status_code for each in answers] == [401] * most + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    elsewhere = Visitor(login, "203.0.113.5").sign_in("x@people.example")
    assert elsewhere.status_code == 401
    with session_of(runtime.target) as session:
        codes = session.exec(select(AuditEvent.error_code)).all()
    assert codes.count("RATE_LIMIT_EXCEEDED") == 1


def test_too_many_wrong_passwords_make_that_address_wait_and_no_other(login: Login) -> None:
    guessing = Visitor(login, "203.0.113.9")
    for _ in range(login.settings.bad_passwords):
        assert guessing.sign_in(_LEAD, "a wrong guess").status_code == 401

    locked = guessing.sign_in(_LEAD)
    owner = Visitor(login, "198.51.100.7")

    assert locked.status_code == 429
    assert int(locked.headers["retry-after"]) > 60
    assert "Too many wrong passwords from here. Try again after " in locked.text
    assert f"quoting <code>{locked.headers['x-correlation-id']}</code>" in locked.text
    assert "RATE_LIMIT_EXCEEDED" in locked.text
    assert owner.sign_in(_LEAD).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
    ids=["another origin", "no origin to name", "another site", "a sister site"],
)
def test_another_sites_page_signs_nobody_in_or_out(
    runtime: Runtime, login: Login, headers: dict[str, str]
) -> None:
    visitor = Visitor(login)

    refused = visitor.sign_in(_LEAD, **headers)
    assert (refused.status_code, is_in(visitor)) == (403, False)
    visitor.sign_in(_LEAD)
    assert sign_out(visitor, login, **headers).status_code == 403
    assert is_in(visitor)
    assert not login.is_leaving(_LINE)

    assert [each.error_code for each in trail(runtime, "signed out")] == ["AUTHORIZATION_FAILED"]
    assert trail(runtime, "signed in")[0].error_code == "AUTHORIZATION_FAILED"


def test_a_form_that_was_not_ours_does_nothing(runtime: Runtime, login: Login) -> None:
    visitor, other = Visitor(login), Visitor(login)
    fields = {"email": _LEAD, "password": PASSWORD, "next": "/"}
    assert visitor.post("/account/sign-in", fields).status_code == 403
    assert visitor.post("/account/sign-in", {**fields, "token": "x"}).status_code == 403
    visitor.sign_in(_LEAD)
    other.sign_in(_LEAD)

    standing = login.standing(dict(other.cookies), None)
    assert standing.token_hash is not None
    of_other = login.cookies.sign_out_token(standing.token_hash)
    for token in ("", "x", of_other):
        answer = visitor.post("/account/sign-out", {"token": token})
        assert answer.status_code == 403

    assert is_in(visitor)
    assert [each.outcome for each in trail(runtime, "signed out")] == ["refused"] * 3


_FORM = {"content-type": "application/x-www-form-urlencoded"}
_NO_FORMS: tuple[tuple[dict[str, str], bytes], ...] = (
    ({"content-type": "application/json"}, b"{}"),
    (_FORM, b"a" * 20_000),
    (_FORM, b"a&" * 50),
    (_FORM, b"\xff\xfe=1"),
    ({"content-type": "multipart/form-data; boundary=x"}, b"--x--"),
)


def test_what_is_no_form_is_refused(login: Login) -> None:
    ours = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}

    for headers, body in _NO_FORMS:
        answer = Visitor(login).send("POST", "/account/sign-in", {**ours, **headers}, content=body)
        assert answer.status_code == 400, body[:20]
        assert "QUOTE_VALIDATION_FAILED" in answer.text


def test_what_was_typed_is_shown_as_text(login: Login) -> None:
    typed = '"><script>alert(1)</script>'

    answer = Visitor(login).sign_in(typed, "x")

    assert "<script" not in answer.text
    assert "&quot;&gt;&lt;script&gt;" in answer.text


def test_a_password_is_nowhere_but_in_the_form_that_was_sent(
    login: Login, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = Visitor(login).sign_in(_LEAD, "a-canary-password")

    assert "a-canary-password" not in answer.text
    assert "a-canary-password" not in str(answer.headers)
    assert "a-canary-password" not in "".join(capfd.readouterr())


def test_signing_out_ends_it_in_every_browser(runtime: Runtime, login: Login) -> None:
    here, elsewhere = Visitor(login), Visitor(login, "203.0.113.9")
    here.sign_in(_LEAD)
    elsewhere.sign_in(_LEAD)
    held = dict(here.cookies)

    answer = sign_out(here, login)

    assert (answer.status_code, answer.headers["location"]) == (303, "/account/sign-in?signed=out")
    # That tab is on its way to the answer; all others are called back.
    assert login.is_leaving(_LINE)
    assert not login.is_leaving("another tab")
    assert "saveguard" not in here.cookies
    assert not is_in(here)
    assert not is_in(elsewhere)
    here.cookies = httpx.Cookies(held)  # kept by somebody
    assert not is_in(here)
    (row,) = trail(runtime, "signed out")
    assert (row.outcome, row.actor, row.details) == ("done", _LEAD, {"signInsEnded": 2})
    assert "signed out" in elsewhere.get("/account/sign-in").text


def test_who_stays_signed_in_for_longer_than_allowed_is_out(
    login: Login, clock: FrozenClock
) -> None:
    visitor = Visitor(login)
    visitor.sign_in(_LEAD)

    clock.advance(login.settings.session_lifetime - timedelta(seconds=1))
    assert is_in(visitor)
    clock.advance(timedelta(seconds=1))

    assert not is_in(visitor)


def test_a_role_taken_away_and_an_account_disabled_count_at_once(
    runtime: Runtime, login: Login, clock: FrozenClock
) -> None:
    visitor = Visitor(login)
    visitor.sign_in(_LEAD)
    account = login.standing(dict(visitor.cookies), None).signed_in
    assert account is not None
    assert account.role is Role.LEAD
    with session_of(runtime.target) as session:
        set_role(session, clock, administrator(runtime), account.account_id, Role.VIEWER)

    clock.advance(login.settings.identity_lifetime)
    now = login.standing(dict(visitor.cookies), None).signed_in
    assert now is not None
    assert now.role is Role.VIEWER
    with session_of(runtime.target) as session:
        session.exec(
            update(Account)
            .where(col(Account.id) == account.account_id)
            .values(disabled_at=clock.now())
        )
    clock.advance(login.settings.identity_lifetime)

    assert not is_in(visitor)


def test_a_cookie_that_we_have_not_signed_is_worth_nothing(login: Login) -> None:
    for cookie in ("", "x", "x.y", "x" * 5_000, "\xff.\xfe", "abc.5bg6PlO3VQMvpXCwxJ0mmyEyhuj4"):
        standing = login.standing({"saveguard": cookie}, None)
        assert (standing.token_hash, standing.signed_in) == (None, None), cookie


def test_a_cookie_of_another_installation_is_worth_nothing(login: Login) -> None:
    visitor = Visitor(login)
    visitor.sign_in(_LEAD)
    login.cookies = Cookies("another secret of thirty-two bytes", is_behind_tls=False)

    assert not is_in(visitor)


def test_downloads_are_for_who_is_signed_in(runtime: Runtime, login: Login) -> None:
    visitor = Visitor(login)

    refused = visitor.send("GET", "/media/0a1b.csv", {"accept": "*/*"})
    visitor.sign_in(_LEAD)
    served = visitor.send("GET", "/media/0a1b.csv", {"accept": "*/*"})

    assert (refused.status_code, refused.json()["errorCode"]) == (401, "AUTHENTICATION_FAILED")
    assert (served.status_code, served.text) == (200, "inside /media/0a1b.csv")
    assert served.headers["cache-control"] == "no-store"
    (row,) = trail(runtime, "call refused")
    assert row.correlation_id == refused.headers["x-correlation-id"]


_CLOSED = (
    ("POST", "/_stcore/agent/interact"),
    ("POST", "/_stcore/agent/mcp"),
    ("GET", "/_stcore/agent/openapi.json"),
    ("GET", "/_stcore/metrics"),
)


def test_what_no_page_needs_is_closed_to_everybody(login: Login) -> None:
    visitor = Visitor(login)
    visitor.sign_in(_LEAD)

    for method, path in _CLOSED:
        answer = visitor.send(method, path, {"accept": "*/*"})
        assert (answer.status_code, answer.json()["errorCode"]) == (403, "AUTHORIZATION_FAILED")


_UPLOAD = "/_stcore/upload_file/a/b"
_OURS = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}


def test_a_file_is_taken_from_who_may_make_a_release_and_from_our_pages_only(
    runtime: Runtime, login: Login
) -> None:
    add_person(runtime, "on-call@example.org", Role.ON_CALL)
    lead, other, nobody = Visitor(login), Visitor(login), Visitor(login)
    lead.sign_in(_LEAD)
    other.sign_in("on-call@example.org")

    taken = lead.send("PUT", _UPLOAD, _OURS)
    refused = [
        nobody.send("PUT", _UPLOAD, _OURS),
        other.send("PUT", _UPLOAD, _OURS),
        lead.send("PUT", _UPLOAD, {"origin": "https://evil.example"}),
        lead.send("PUT", _UPLOAD, {"accept": "*/*"}),
    ]

    assert taken.text == f"inside {_UPLOAD}"
    assert [(each.status_code, each.json()["errorCode"]) for each in refused] == [
        (401, "AUTHENTICATION_FAILED"),
        (403, "AUTHORIZATION_FAILED"),
        (403, "AUTHORIZATION_FAILED"),
        (403, "AUTHORIZATION_FAILED"),
    ]


def test_the_secret_is_nobodys_to_read(login: Login) -> None:
    secret = login.settings.cookie_secret
    assert isinstance(secret, SecretStr)

    assert secret.get_secret_value() not in repr(login.settings)


def test_a_database_that_is_busy_is_told_and_not_waited_for(
    runtime: Runtime, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_LOCK_TIMEOUT", timedelta(milliseconds=30))
    monkeypatch.setattr(login, "settings", briefly(login.settings))
    inside, outside = Visitor(login), Visitor(login)
    inside.sign_in(_LEAD)

    with psycopg.connect(runtime.target.owner) as holder:
        holder.execute("LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE")
        answers = [outside.sign_in(_LEAD), sign_out(inside, login)]

    for answer in answers:
        assert answer.status_code == 504
        assert "DATABASE_TIMEOUT" in answer.text
        assert "The database does not answer" in answer.text
    assert is_in(inside)
    assert not is_in(outside)
