"""Signing in with an identity provider: what it says, what that is worth, what pages make of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from dashboard import engine_in_process, viewer
from dashboard import login as login_module
from dashboard.login import Login, Standing, Unknowable
from dashboard.provider import claims_of, highest_role, identity_of, streamlit_secrets, token_hash
from engine.access.audit import Actor, Way
from engine.access.roles import Role
from engine.access.signing_in import sign_out
from engine.clock import FrozenClock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.errors import ErrorCode
from engine.runtime import Runtime, open_runtime
from engine.settings import Settings
from tests.dashboard.attempts import END
from tests.dashboard.conftest import APP
from tests.dashboard.visitor import HOST, Visitor, briefly, trail, with_login

_ORIGIN = f"http://{HOST}"
_PATIENCE_S = 30.0
_ROLES = "travel-viewers=viewer, On Call=on-call, travel-leads=lead,travel-admins=admin"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(END)


@pytest.fixture
def runtime(settings: Settings, target: Target, clock: FrozenClock) -> Iterator[Runtime]:
    chosen = with_login(
        settings,
        login="oidc",
        oidc_metadata_url="https://id.example.org/.well-known/openid-configuration",
        oidc_client_id="saveguard",
        oidc_client_secret=SecretStr("a secret of a client"),
        oidc_role_claim="groups",
        oidc_roles=_ROLES,
        oidc_name="Example Travel",
    )
    with open_runtime(chosen, target, clock=clock) as opened:
        engine_in_process.provide(opened)
        yield opened
        engine_in_process.provide(None)


@pytest.fixture
def login(runtime: Runtime) -> Login:
    return Login(runtime)


def claims(**changes: Any) -> dict[str, Any]:
    return {
        "iss": "https://id.example.org",
        "sub": "lena",
        "aud": "saveguard",
        "iat": int(END.timestamp()),
        "nonce": "of this login",
        "email": "lena@example.org",
        "email_verified": True,
        "name": "Lena Lead",
        "groups": ["travel-leads", "travel-viewers"],
        **changes,
    }


def cookie(login: Login, said: dict[str, Any]) -> dict[str, str]:
    """As Streamlit sets it after the provider's answer."""
    value = json.dumps({**said, "origin": _ORIGIN, "is_logged_in": True, "provider": "default"})
    name = "_streamlit_user"
    return {name: create_signed_value(login.streamlit_secret, name, value).decode()}


def visitor_with(login: Login, said: dict[str, Any]) -> Visitor:
    visitor = Visitor(login)
    for name, value in cookie(login, said).items():
        visitor.cookies.set(name, value)
    return visitor


@pytest.mark.parametrize(
    ("said", "role"),
    [
        (["travel-viewers", "travel-admins", "travel-leads"], Role.ADMIN),
        ("On Call", Role.ON_CALL),
        (["travel-viewers", 7, None, {}], Role.VIEWER),
        (["admin"], None),
        ([], None),
        (None, None),
        ({"travel-admins": True}, None),
    ],
    ids=repr,
)
def test_the_highest_role_of_the_claim_counts(
    runtime: Runtime, said: object, role: Role | None
) -> None:
    assert highest_role(claims(groups=said), runtime.settings) is role


def test_a_claim_may_lie_inside_of_another(runtime: Runtime) -> None:
    settings = runtime.settings.model_copy(update={"oidc_role_claim": "realm_access.roles"})

    assert highest_role({"realm_access": {"roles": ["travel-leads"]}}, settings) is Role.LEAD
    assert highest_role({"realm_access": "travel-leads"}, settings) is None


def test_without_a_claim_roles_are_those_of_the_accounts(runtime: Runtime) -> None:
    known = identity_of(claims(), runtime.settings.model_copy(update={"oidc_role_claim": None}))

    assert known is not None
    assert (known.role, known.has_roles) == (None, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None},
        {"iss": ""},
        {"sub": 7},
        {"iat": "now"},
        {"iat": True},
        {"iat": 1e300},
        {"iss": "https://id.example.org\0"},
        {"sub": "lena\0"},
        {"sub": "lena\ud800"},
    ],
    ids=repr,
)
def test_a_claim_that_says_not_who_or_when_lets_nobody_in(
    login: Login, changes: dict[str, Any]
) -> None:
    assert identity_of(claims(**changes), login.settings) is None
    assert login.standing(cookie(login, claims(**changes)), None).signed_in is None


def test_each_login_is_told_from_every_other() -> None:
    one = token_hash(claims())

    assert token_hash(claims(name="Another name", groups=[])) == one
    assert token_hash(claims(nonce="of another")) != one
    assert token_hash(claims(iat=1)) != one


def test_what_streamlit_is_told_holds_its_own_secret(login: Login) -> None:
    told = streamlit_secrets(login.settings, login.streamlit_secret)["auth"]

    assert told["redirect_uri"] == f"{_ORIGIN}/oauth2callback"
    assert told["client_kwargs"] == {"scope": "openid email profile", "prompt": "login"}
    assert login.settings.cookie_secret is not None
    assert told["cookie_secret"] != login.settings.cookie_secret.get_secret_value()
    assert "a secret of a client" not in repr(login.settings)


def test_a_cookie_of_another_origin_or_signature_says_nothing(login: Login) -> None:
    good = cookie(login, claims())

    assert claims_of(good, login.streamlit_secret, _ORIGIN) is not None
    assert claims_of(good, login.streamlit_secret, "http://127.0.0.1:8501") is None
    assert claims_of(good, "another secret", _ORIGIN) is None
    assert claims_of({"_streamlit_user": "x"}, login.streamlit_secret, _ORIGIN) is None


def test_a_deep_link_outlives_the_way_over_the_provider(login: Login) -> None:
    visitor = Visitor(login)

    away = visitor.get("/lookup?correlation_id=REQ-7&x=a%20b%3B")
    assert (away.status_code, away.headers["location"]) == (303, "/")
    (stash,) = [c for c in away.headers.get_list("set-cookie") if c.startswith("saveguard-next=")]
    assert "HttpOnly" in stash
    assert "Max-Age=900" in stash
    assert visitor.get("/").text == "inside /"
    for name, value in cookie(login, claims()).items():
        visitor.cookies.set(name, value)
    back = visitor.get("/")

    assert (back.status_code, back.headers["location"]) == (
        303,
        "/lookup?correlation_id=REQ-7&x=a%20b%3B",
    )
    assert visitor.get("/").text == "inside /"
    assert visitor.get("/lookup").text == "inside /lookup"


def test_a_link_that_somebody_else_left_leads_nowhere(login: Login) -> None:
    visitor = visitor_with(login, claims())
    visitor.cookies.set("saveguard-next", "//elsewhere.example")

    assert visitor.get("/").text == "inside /"


def test_the_first_request_signs_in_and_the_role_of_the_claim_is_the_accounts(
    runtime: Runtime, login: Login
) -> None:
    first = visitor_with(login, claims())
    for _ in range(2):
        assert first.get("/lookup").text == "inside /lookup"
    later = visitor_with(login, claims(nonce="another", groups=["travel-admins"]))
    assert later.get("/lookup").text == "inside /lookup"

    signed_in = [(row.outcome, row.address) for row in trail(runtime, "signed in")]
    assert signed_in == [("done", "198.51.100.7")] * 2
    changes = [(row.details["old"], row.details["new"]) for row in trail(runtime, "role changed")]
    assert changes == [(None, "lead"), ("lead", "admin")]


def test_what_cannot_be_stored_of_a_name_is_left_out(login: Login) -> None:
    said = claims(name="Lena\ud800 Lead\0", email="lena\udfff@example.org\0")

    found = login.standing(cookie(login, said), None).signed_in

    assert found is not None
    assert (found.name, found.email) == ("Lena? Lead", "lena?@example.org")


class Slow:
    """Something of the engine that takes until it is let go."""

    def __init__(self, patch: pytest.MonkeyPatch, name: str) -> None:
        self.began, self.go = threading.Event(), threading.Event()
        self._real = getattr(login_module, name)
        patch.setattr(login_module, name, self)

    def __call__(self, *given: Any) -> Any:
        self.began.set()
        assert self.go.wait(_PATIENCE_S)
        return self._real(*given)


def test_a_slow_first_login_keeps_nobody_waiting_who_is_in(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = cookie(login, claims())
    assert login.standing(inside, None).signed_in is not None
    slow = Slow(monkeypatch, "sign_in_with_identity")
    somebody = claims(sub="sam", email="sam@example.org", nonce="of sam")

    with ThreadPoolExecutor(2) as threads:
        coming = threads.submit(login.standing_of, somebody, None)
        assert slow.began.wait(_PATIENCE_S)
        try:
            meanwhile = threads.submit(login.standing, inside, None).result(_PATIENCE_S)
        finally:
            slow.go.set()
        assert coming.result(_PATIENCE_S).signed_in is not None

    assert meanwhile.signed_in is not None


def test_the_machines_own_account_keeps_nobody_waiting(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(monkeypatch, "local_account")

    with ThreadPoolExecutor(2) as threads:
        making = threads.submit(login.local_account_id)
        assert slow.began.wait(_PATIENCE_S)
        try:
            assert not threads.submit(login.is_leaving, "a tab").result(_PATIENCE_S)
        finally:
            slow.go.set()
        assert making.result(_PATIENCE_S) == login.local_account_id()


def test_a_login_that_would_wait_for_too_long_is_told_so(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_module, "_SIGN_IN_WAIT_S", 0.0)
    slow = Slow(monkeypatch, "sign_in_with_identity")

    with ThreadPoolExecutor(1) as threads:
        coming = threads.submit(login.standing_of, claims(), None)
        assert slow.began.wait(_PATIENCE_S)
        try:
            with pytest.raises(Unknowable):
                login.standing_of(claims(nonce="of another"), None)
        finally:
            slow.go.set()
        assert coming.result(_PATIENCE_S).signed_in is not None

    assert login.standing_of(claims(nonce="of another"), None).signed_in is not None


def test_the_machines_own_account_is_not_asked_for_at_every_run_of_an_outage(
    login: Login, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def away(*_: object) -> None:
        asked.append(1)
        raise psycopg.OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(login_module, "local_account", away)
        assert [login.local_account_id() for _ in range(3)] == [None] * 3
    clock.advance(timedelta(seconds=2))

    assert login.local_account_id() is not None
    assert asked == [1]


def test_a_login_that_comes_three_times_at_once_is_refused_once(
    runtime: Runtime, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_module, "_SIGN_IN_WAIT_S", _PATIENCE_S)
    slow = Slow(monkeypatch, "sign_in_with_identity")
    here = threading.Barrier(4)
    find = login._find

    def found(held: bytes) -> Any:
        here.wait(_PATIENCE_S)
        return find(held)

    monkeypatch.setattr(login, "_find", found)
    said = claims(groups=[])

    with ThreadPoolExecutor(3) as threads:
        coming = [threads.submit(login.standing_of, said, None) for _ in range(3)]
        here.wait(_PATIENCE_S)
        assert slow.began.wait(_PATIENCE_S)
        slow.go.set()
        standings = [each.result(_PATIENCE_S) for each in coming]

    (row,) = trail(runtime, "signed in")
    assert {each.correlation_id for each in standings} == {row.correlation_id}


def test_a_login_that_was_ended_is_over_for_good(
    runtime: Runtime, login: Login, clock: FrozenClock
) -> None:
    visitor = visitor_with(login, claims())
    visitor.get("/")
    signed_in = login.standing(cookie(login, claims()), None).signed_in
    assert signed_in is not None
    actor = Actor(signed_in.account_id, signed_in.email, Way.PAGE, None, "REQ-1")
    with session_of(runtime.target) as session:
        sign_out(session, clock, actor)
    clock.advance(runtime.settings.identity_lifetime)

    for _ in range(3):
        assert visitor.get("/lookup").headers["location"] == "/"
    assert login.standing(cookie(login, claims()), None).signed_in is None


def test_streamlits_thirty_days_are_no_longer_than_ours(
    runtime: Runtime, login: Login, clock: FrozenClock
) -> None:
    visitor = visitor_with(login, claims())
    assert visitor.get("/lookup").text == "inside /lookup"

    clock.advance(runtime.settings.session_lifetime)

    assert visitor.get("/lookup").status_code == 303
    assert visitor_with(login, claims(nonce="kept")).get("/lookup").status_code == 303


def test_who_has_no_role_is_refused_once_and_told_why(runtime: Runtime, login: Login) -> None:
    said = cookie(login, claims(groups=[]))

    standings: list[Standing] = [login.standing(said, None) for _ in range(5)]

    assert {each.refusal.code for each in standings if each.refusal} == {
        ErrorCode.AUTHORIZATION_FAILED
    }
    (row,) = trail(runtime, "signed in")
    assert row.correlation_id == standings[-1].correlation_id


def test_who_is_given_a_role_may_come_in_soon(
    runtime: Runtime, login: Login, clock: FrozenClock
) -> None:
    login.standing_of(claims(groups=[]), None)

    clock.advance(timedelta(seconds=10))

    assert login.standing_of(claims(groups=["travel-viewers"]), None).signed_in is not None
    assert len(trail(runtime, "signed in")) == 2


def test_another_sites_page_cannot_sign_somebody_out(login: Login) -> None:
    visitor = visitor_with(login, claims())

    refused = visitor.get("/auth/logout", sec_fetch_site="cross-site")
    own = visitor.get("/auth/logout", sec_fetch_site="same-origin")

    assert refused.json()["errorCode"] == "AUTHORIZATION_FAILED"
    assert own.text == "inside /auth/logout"


def test_leaving_by_streamlits_own_address_ends_the_sign_in(runtime: Runtime, login: Login) -> None:
    visitor, elsewhere = (visitor_with(login, claims()) for _ in range(2))
    assert visitor.get("/lookup").text == "inside /lookup"

    assert visitor.get("/auth/logout").text == "inside /auth/logout"

    (row,) = trail(runtime, "signed out")
    assert (row.outcome, row.actor, row.address) == ("done", "lena@example.org", "198.51.100.7")
    assert elsewhere.get("/lookup").status_code == 303
    assert visitor.get("/auth/logout").text == "inside /auth/logout"
    assert len(trail(runtime, "signed out")) == 1


def test_leaving_while_the_database_is_busy_says_that_one_is_still_in(
    runtime: Runtime, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "settings", briefly(login.settings))
    visitor = visitor_with(login, claims())
    visitor.get("/lookup")

    with psycopg.connect(runtime.target.owner) as holder:
        holder.execute("LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE")
        refused = visitor.get("/auth/logout")

    assert refused.json()["errorCode"] == "DATABASE_TIMEOUT"
    assert "still signed in" in refused.text
    assert visitor.get("/lookup").text == "inside /lookup"


def opened(user: dict[str, Any] | None) -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=30)
    page.user = {"is_logged_in": user is not None, **(user or {})}
    page.run()
    assert not page.exception
    return page


@pytest.mark.usefixtures("runtime")
def test_a_page_draws_nothing_but_the_way_in_for_a_stranger() -> None:
    page = opened(None)

    assert [each.value for each in page.title] == ["Sign in to Saveguard"]
    assert [each.label for each in page.button] == ["Sign in with Example Travel"]
    assert not page.metric
    assert not page.get("bidi_component")


@pytest.mark.usefixtures("runtime")
def test_a_page_says_as_whom_it_is_looked_at() -> None:
    page = opened(claims(name="Lena **Lead** <b>"))

    assert page.title[0].value == "Overview"
    assert [each.value for each in page.text][:2] == ["Lena **Lead** <b>", "lead"]
    assert "Sign out" in [each.label for each in page.button]


@pytest.mark.usefixtures("runtime")
def test_a_page_says_why_somebody_cannot_come_in() -> None:
    page = opened(claims(groups=[]))

    assert [each.value for each in page.title] == ["Sign in to Saveguard"]
    assert "This account has no role yet; ask an administrator for one." in [
        each.value for each in page.text
    ]
    assert "AUTHORIZATION_FAILED REQ-" in page.caption[0].value


def test_who_has_signed_out_elsewhere_sees_nothing_at_the_next_run(
    runtime: Runtime, clock: FrozenClock
) -> None:
    page = opened(claims())
    account_id = trail(runtime, "signed in")[0].account_id
    with session_of(runtime.target) as session:
        sign_out(session, clock, Actor(account_id, "lena", Way.PAGE, None, "REQ-1"))
    clock.advance(runtime.settings.identity_lifetime)

    page.run()

    assert [each.value for each in page.title] == ["Sign in to Saveguard"]
    assert "signed out" in page.info[0].value


def test_signing_out_on_a_page_ends_it_everywhere(runtime: Runtime, login: Login) -> None:
    page = opened(claims())
    assert visitor_with(login, claims()).get("/lookup").status_code == 200

    page.button(key="sign-out").click().run()

    (row,) = trail(runtime, "signed out")
    assert (row.outcome, row.details) == ("done", {"signInsEnded": 1})
    assert visitor_with(login, claims()).get("/lookup").status_code == 303


def test_nobody_is_a_viewer_without_anything(runtime: Runtime) -> None:
    assert runtime.settings.login == "oidc"
    assert not viewer.NOBODY.is_somebody
    assert viewer.NOBODY.agent_id is not None
