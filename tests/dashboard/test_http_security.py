"""What every answer tells a browser, by which names we can be addressed, and where one may go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware

from dashboard.cookie_secret import cookie_secret
from dashboard.local_path import START, local_path
from dashboard.login import Login
from dashboard.page_headers import page_policy
from dashboard.public_address import public_address
from dashboard.same_origin import is_foreign_socket, is_from_our_page
from dashboard.way_in import advice, require_way_in
from engine.access.roles import Role
from engine.api.app import open_api
from engine.api.hosts import AllowedHosts, HostGuard, allowed_hosts
from engine.api.metrics import Metrics
from engine.api.refusing import Refuser
from engine.api.security_headers import SecurityHeaders, api_headers
from engine.clock import FrozenClock, SystemClock
from engine.database.target import Target
from engine.errors import SetupError
from engine.runtime import Runtime, open_runtime
from engine.settings import Settings
from tests.dashboard.attempts import END
from tests.dashboard.visitor import HOST, Visitor, add_person, trail, with_login

_ORIGIN = f"http://{HOST}"
_CROSS = "access-control-"


@pytest.fixture
def runtime(settings: Settings, target: Target) -> Iterator[Runtime]:
    with open_runtime(
        with_login(settings, host="127.0.0.9"), target, clock=FrozenClock(END), has_edge=True
    ) as opened:
        yield opened


@pytest.fixture
def visitor(runtime: Runtime) -> Visitor:
    return Visitor(Login(runtime))


@pytest.mark.parametrize(
    "path",
    ["/", "/lookup?q=1", "/overview", "/a%20b", "/quote?agent=7&quote=8#top", "/lookup?q=%2F%2F"],
)
def test_an_address_of_ours_is_gone_back_to(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "text",
    [
        None, "", "lookup", "//elsewhere.example", "///elsewhere.example", "/\\elsewhere.example",
        "\\\\elsewhere.example", "/lookup\\..", "https://elsewhere.example", "javascript:alert(1)",
        "/lookup\r\nset-cookie: a=b", "/look up", "/\tlookup", "/lookup\0", "/löökup", " /lookup",
        "/a//elsewhere.example", "/./\\elsewhere.example", "/..//elsewhere.example", "/%2e%2e/api",
        "/account/sign-in?next=/", "/auth/logout", "/oauth2callback?code=1", "/api/agents/quotes",
        "/api", "/_stcore/health", "/media/0a1b.csv", "/" + "a" * 3_000,
    ],
    ids=repr,
)  # fmt: skip
def test_any_other_leads_to_the_first_page(text: str | None) -> None:
    assert local_path(text) == START


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin", "origin": _ORIGIN}, True),
        ({"origin": _ORIGIN}, True),
        ({"origin": "http://127.0.0.1:8501", "host": "127.0.0.1:8501"}, True),
        ({}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, False),
        ({"origin": "https://elsewhere.example", "host": HOST}, False),
        ({"origin": f"{_ORIGIN}.elsewhere.example", "host": HOST}, False),
        ({"origin": "http://[", "host": HOST}, False),
        ({"sec-fetch-site": "same-origin", "origin": "http://[x", "host": HOST}, False),
    ],
    ids=repr,
)
def test_a_form_has_to_come_from_a_page_of_ours(headers: dict[str, str], is_ours: bool) -> None:  # noqa: FBT001
    assert is_from_our_page(headers, _ORIGIN) is is_ours
    if "origin" in headers:
        assert is_foreign_socket(headers, _ORIGIN) is not is_ours


_OURS = (
    HOST, f"{HOST}:8501", HOST.upper(), f"{HOST}.", "localhost:1", "127.0.0.1", "[::1]:8501",
    "127.0.0.9:65535",
)  # fmt: skip
_NOT_OURS = (
    "elsewhere.example", f"{HOST}.elsewhere.example", f"x{HOST}", f"x.{HOST}", "127.0.0.1:99999",
    f"{HOST}@elsewhere.example", "", "a b", f"{HOST}:", "[::1", "2130706433", "localhost:x",
)  # fmt: skip


def test_a_name_of_ours_is_answered_and_any_other_refused_before_anything_else(
    visitor: Visitor, runtime: Runtime
) -> None:
    for host in _OURS:
        assert visitor.send("GET", "/nope", {"host": host}).status_code == 200, host
    for number, host in enumerate(_NOT_OURS):
        given = f"given-by-caller-{number}"
        path = ("/", "/api/agents/quotes")[number % 2]
        answer = visitor.send("GET", path, {"host": host, "x-correlation-id": given})
        body = answer.json()
        assert answer.status_code == 421, host
        assert (body["errorCode"], body["success"]) == ("AUTHORIZATION_FAILED", False)
        assert body["correlationId"] == answer.headers["x-correlation-id"] == given

    rows = [(row.correlation_id, row.address) for row in trail(runtime, "call refused")]
    assert rows == [(f"given-by-caller-{n}", "198.51.100.7") for n in range(len(_NOT_OURS))]


def test_probes_come_by_any_name_and_nothing_else_does(visitor: Visitor) -> None:
    """They address a machine by whatever number it has at the moment."""
    for path in ("/healthz", "/readyz"):
        assert visitor.send("GET", path, {"host": "10.1.2.3:8501"}).status_code == 200
    for path in ("/healthz/", "/readyz/x", "/metrics", "/_stcore/health", "//healthz"):
        assert visitor.send("GET", path, {"host": "10.1.2.3:8501"}).status_code == 421


def test_a_refused_name_is_told_as_a_problem_to_who_asks_for_one(visitor: Visitor) -> None:
    asked = {"host": "elsewhere.example", "accept": "application/problem+json"}

    problem = visitor.send("GET", "/lookup", asked)

    assert problem.headers["content-type"] == "application/problem+json"
    assert (problem.json()["status"], problem.json()["instance"]) == (421, "/lookup")


def test_a_flood_of_refusals_does_not_fill_the_trail(visitor: Visitor, runtime: Runtime) -> None:
    for _ in range(70):
        assert visitor.send("GET", "/", {"host": "elsewhere.example"}).status_code == 421

    assert len(trail(runtime, "call refused")) == 60


def test_names_are_those_that_are_set_and_those_we_have_anyway() -> None:
    settings = Settings(
        host="192.0.2.1", public_url="https://Saves.Example.org:8443", allowed_hosts="*.lan, [::2]"
    )

    names = AllowedHosts(allowed_hosts(settings))

    for host in (b"192.0.2.1:8501", b"saves.example.org:8443", b"a.b.lan", b"[::2]:80", b"[::1]"):
        assert names.allows(host), host
    for host in (b"lan", b"xlan", b"192.0.2.2", b"[::3]"):
        assert not names.allows(host), host
    assert AllowedHosts(allowed_hosts(Settings(allowed_hosts="*"))).allows(b"anything.example")


def test_the_dashboards_names_are_those_of_its_websockets(
    runtime: Runtime,
) -> None:
    from dashboard.asgi import streamlit_config  # noqa: PLC0415

    assert streamlit_config(runtime.settings)["server.allowedHosts"] == [
        "127.0.0.9", HOST, "127.0.0.1", "localhost", "::1",
    ]  # fmt: skip


_PAGES = ("/", "/lookup", "/account/sign-in", "/_stcore/health", "/nope")


def test_pages_load_nothing_from_elsewhere_and_are_framed_by_nobody(visitor: Visitor) -> None:
    for path in _PAGES:
        headers = visitor.get(path).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["form-action"] == "'self'"
        assert "unsafe-eval" not in headers["content-security-policy"]
        assert "'unsafe-inline'" not in policy.get("script-src", "")
        assert "http" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers


def test_the_one_script_in_streamlits_page_is_known_by_its_hash() -> None:
    assert page_policy().count("'sha256-") == 1


def test_the_apis_answers_are_no_pages(visitor: Visitor) -> None:
    headers = visitor.send("GET", "/api/agents/quotes", {}).headers

    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_no_other_origin_may_read_an_answer(visitor: Visitor) -> None:
    for path in ("/", "/api/agents/quotes", "/media/a", "/_stcore/host-config"):
        for origin in ("https://elsewhere.example", "null", "http://localhost:3000"):
            asked = {"origin": origin, "access-control-request-method": "POST"}
            for method in ("GET", "OPTIONS"):
                headers = visitor.send(method, path, asked).headers
                assert not [name for name in headers if name.startswith(_CROSS)]


def test_the_real_api_alone_refuses_a_preflight(runtime: Runtime) -> None:
    def report(_correlation_id: str, error: BaseException) -> None:
        raise error

    with open_api(runtime, Metrics(), report, is_alone=True) as routes:
        app = Starlette(
            routes=routes,
            middleware=[
                Middleware(SecurityHeaders, lambda _scope: api_headers(is_behind_tls=True)),
                Middleware(
                    HostGuard,
                    AllowedHosts(allowed_hosts(runtime.settings)),
                    Refuser(runtime.read_pool, runtime.clock),
                ),
            ],
        )

        async def preflight() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url=_ORIGIN
            ) as client:
                headers = {
                    "origin": "https://elsewhere.example",
                    "access-control-request-method": "POST",
                }
                return await client.options("/api/agents/quotes", headers=headers)

        answer = asyncio.run(preflight())

    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith(_CROSS)]
    assert answer.headers["strict-transport-security"] == "max-age=63072000"


def test_the_secret_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    settings, clock = Settings(data_dir=tmp_path / "new"), SystemClock()

    secret = cookie_secret(settings, clock)

    file = tmp_path / "new" / "cookie-secret"
    assert (file.stat().st_mode & 0o777, len(secret)) == (0o600, 64)
    assert cookie_secret(settings, clock) == secret
    assert [path.name for path in file.parent.iterdir()] == ["cookie-secret"]


def test_a_secret_that_others_can_read_is_none(tmp_path: Path) -> None:
    settings, clock = Settings(data_dir=tmp_path), SystemClock()
    cookie_secret(settings, clock)
    (tmp_path / "cookie-secret").chmod(0o640)

    with pytest.raises(SetupError, match="can be read by others"):
        cookie_secret(settings, clock)


def test_a_secret_that_is_set_needs_no_file(tmp_path: Path) -> None:
    given = Settings(data_dir=tmp_path, cookie_secret=SecretStr("x" * 32))

    assert cookie_secret(given, SystemClock()) == "x" * 32
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "saves.example.org", "::"])  # noqa: S104
def test_local_mode_is_for_loopback_only(host: str) -> None:
    with pytest.raises(SetupError, match="set SAVEGUARD_LOGIN to password or oidc first"):
        require_way_in(Settings(host=host))


@pytest.mark.parametrize(
    "changes",
    [
        {"public_url": _ORIGIN},
        {"trusted_proxies": "127.0.0.1"},
        {"allowed_hosts": "*"},
        {"allowed_hosts": f"localhost, {HOST}"},
        {"allowed_hosts": "*.example.org"},
        {"allowed_hosts": "192.0.2.1"},
    ],
    ids=["a public address", "a proxy", "any name", "a name", "many names", "an address"],
)
def test_local_mode_is_not_handed_on_to_others(changes: dict[str, str]) -> None:
    with pytest.raises(SetupError, match="set SAVEGUARD_LOGIN to password or oidc"):
        require_way_in(Settings.model_validate(changes))

    require_way_in(Settings.model_validate(changes | {"login": "password"}))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1"])
def test_local_mode_serves_this_machine(host: str) -> None:
    require_way_in(Settings(host=host))


_BY_A_PROXY = (
    {"x-forwarded-for": "203.0.113.9"},
    {"forwarded": "for=203.0.113.9"},
    {"x-real-ip": "203.0.113.9"},
    {"via": "1.1 proxy"},
    {"x-forwarded-for": ""},
)


@pytest.mark.parametrize("headers", _BY_A_PROXY, ids=repr)
def test_local_mode_serves_nothing_that_a_proxy_hands_on(
    settings: Settings, target: Target, headers: dict[str, str]
) -> None:
    with open_runtime(settings, target, clock=FrozenClock(END)) as runtime:
        visitor = Visitor(Login(runtime), "127.0.0.1")
        here = {"host": "127.0.0.1:8501", "accept": "text/html"}
        for path in ("/", "/lookup", "/api/agents/quotes", "/_stcore/health", "/media/0a1b.csv"):
            assert visitor.send("GET", path, here).status_code == 200
            refused = visitor.send("GET", path, here | headers)
            assert (refused.status_code, refused.json()["errorCode"]) == (
                403, "AUTHORIZATION_FAILED",
            )  # fmt: skip
            assert "SAVEGUARD_LOGIN" in refused.text
        assert visitor.socket({"host": "127.0.0.1:8501"} | headers) == ["websocket.close"]
        assert len(trail(runtime, "call refused")) == 6


def test_a_proxy_is_welcome_where_people_sign_in(visitor: Visitor) -> None:
    assert visitor.send("GET", "/api/agents/quotes", {"via": "1.1 proxy"}).status_code == 200


def test_an_origin_that_is_none_is_refused_like_any_other(visitor: Visitor) -> None:
    assert visitor.socket({"host": HOST, "origin": "http://["}) == ["websocket.close"]
    assert visitor.sign_in("lead@example.org", origin="http://[").status_code == 403


@pytest.mark.parametrize(
    ("changes", "is_told"),
    [
        ({"public_url": f"https://{HOST}"}, True),
        ({"public_url": f"https://{HOST}", "trusted_proxies": "127.0.0.1"}, False),
        ({"public_url": f"http://{HOST}"}, False),
    ],
    ids=["nobody knows the proxy", "the proxy is known", "no TLS"],
)
def test_whoever_starts_behind_tls_is_told_to_name_the_proxy(
    settings: Settings,
    target: Target,
    changes: dict[str, str],
    is_told: bool,  # noqa: FBT001
) -> None:
    with open_runtime(with_login(settings, **changes), target) as runtime:
        told = advice(runtime)

    assert any("SAVEGUARD_TRUSTED_PROXIES is empty" in line for line in told) is is_told


def test_a_provider_needs_all_that_it_is_known_by() -> None:
    with pytest.raises(SetupError, match="SAVEGUARD_OIDC_METADATA_URL, SAVEGUARD_OIDC_CLIENT_ID"):
        require_way_in(Settings(login="oidc", oidc_client_secret=SecretStr("x")))


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104
def test_whoever_listens_everywhere_says_by_which_names(host: str) -> None:
    with pytest.raises(SetupError, match="SAVEGUARD_ALLOWED_HOSTS"):
        require_way_in(Settings(host=host, login="password"))

    require_way_in(Settings(host=host, login="password", allowed_hosts=HOST))
    require_way_in(Settings(host=host, login="password", public_url=_ORIGIN))


def test_whoever_starts_is_told_when_nobody_could_sign_in(runtime: Runtime) -> None:
    add_person(runtime, "no-password@example.org", Role.ADMIN, password=None)
    add_person(runtime, "no-role@example.org", None)
    assert any("saveguard user password" in line for line in advice(runtime))

    add_person(runtime, "lead@example.org")

    assert advice(runtime) == []


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        (Settings(), "http://127.0.0.1:8501"),
        (Settings(host="::1", port=80), "http://[::1]"),
        (Settings(public_url="https://Saves.example.org:443"), "https://saves.example.org"),
    ],
    ids=["of this process", "the usual port", "the usual port of TLS"],
)
def test_the_public_address_is_as_browsers_have_it(settings: Settings, address: str) -> None:
    assert public_address(settings) == address
