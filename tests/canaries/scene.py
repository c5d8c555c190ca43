"""One run of the whole system with canaries in it, and everything that could be seen of it."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import argon2
import httpx
import psycopg
import pytest
import streamlit as st
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from streamlit.testing.v1 import AppTest

import dashboard.__main__  # noqa: F401  # adds its commands to the group
from dashboard import alerts_address, engine_in_process, lookup_export, memory
from dashboard.login import Login
from dashboard.navigation import PAGES
from engine.access import passwords
from engine.access.keys import hash_api_key
from engine.access.settings_trail import Serving
from engine.alerting.channel_tests import put_tests
from engine.alerting.channels.channel import ChannelName
from engine.alerting.sender import Sender
from engine.attempts import story
from engine.cli.acting import at_terminal, trail_settings
from engine.cli.main import cli, run
from engine.database.sessions import session_of
from engine.database.target import Target, open_target
from engine.errors import Refusal, SetupError
from engine.logs import configure_logs
from engine.payload import encode
from engine.rollups.export import export
from engine.rollups.grid import Window
from engine.rollups.selection import Filter, Selection
from engine.runtime import PROCESS_LOG, Runtime, log_file
from engine.settings import Settings, load_settings
from tests.alert_past import Past
from tests.alerting_receivers import Reaction, Request, webhook
from tests.api import provocations
from tests.api.caller import Caller, calling, client_of
from tests.api.provocations import ALL, TIMEOUTS, staged
from tests.api.service import CLOCK, QUOTES, Service, served
from tests.api.wire import hear_once, request
from tests.canaries.canaries import canary
from tests.canaries.planting import (
    ALERTS,
    FORM,
    HEADERS,
    IDEMPOTENCY_KEY,
    KEYS,
    MOVES,
    PASSWORD,
    PEOPLE,
    QUERY,
    REFUSED_FIELD,
    REFUSED_VALUE,
    SECOND_TRIP,
    WRONG_ADDRESS,
    WRONG_PASSWORD,
    laden_quote,
)
from tests.dashboard.visitor import Visitor, with_login
from tests.database.databases import cloned
from tests.database.replay_harness import some_rows
from tests.database.shell import url_of
from tests.unit.replay_examples import write_csv

APP: Final = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
_REFUSED: Final = 400
_PATIENCE_S: Final = 30.0
_ONE_BY_ONE: Final = 2
_CANNOT: Final = 2
_SHOW: Final = "show_personal_data"
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass
class Seen:
    """Everything that was seen.

    Attributes:
        places: place → what stood there.
        sent: what was put into the system.
        tokens: what browsers hold that are signed in, and forms; made by chance.
    """

    places: dict[str, list[bytes]] = field(default_factory=dict)
    sent: list[bytes] = field(default_factory=list)
    tokens: list[bytes] = field(default_factory=list)

    def note(self, place: str, data: object) -> None:
        """Adds what was seen in a place; anything but bytes as its text."""
        said = data if isinstance(data, bytes) else str(data).encode("utf-8", "surrogatepass")
        self.places.setdefault(place, []).append(said)


def play(server: str, template: str, directory: Path) -> Seen:
    """Plants the canaries, drives everything that there is, and looks everywhere."""
    seen = Seen()
    with ExitStack() as opened:
        patch = opened.enter_context(pytest.MonkeyPatch.context())
        said = io.BytesIO()
        stream = io.TextIOWrapper(said, "utf-8", "backslashreplace", write_through=True)
        plain = opened.enter_context(cloned(server, template))
        target = Target(
            app=_with_password(plain.app, "the database's password"),
            owner=_with_password(plain.owner, "the owner's password"),
        )
        receiver = opened.enter_context(webhook(_telling, secret=None))
        settings = _settings(patch, target, directory, receiver.url, seen)
        opened.enter_context(_listening(patch, seen, stream))
        configure_logs("json", log_file(settings, CLOCK, PROCESS_LOG, CLOCK.uuid7()))
        # One that waits for a slow machine, and one that gives up as soon as it is provoked.
        hasty = settings.model_copy(update=TIMEOUTS)
        with served(target, settings) as service, served(target, hasty) as provoked:
            correlation_id = _drive(service, provoked, server, patch, seen)
            _alert(service.runtime)
            for table, column, value in _rows(server, target):
                seen.note(f"table {table}.{column}", value)
            seen.note("standard error", said.getvalue())
            said.seek(0)
            said.truncate()
            _run_commands(patch, seen, directory, correlation_id)
        seen.note("what commands print", said.getvalue())
        _note_files(directory, seen)
    return seen


def _with_password(conninfo: str, kind: str) -> str:
    """The same with a password that nobody asks for, unless there is one that is asked for."""
    asked_for = conninfo_to_dict(conninfo).get("password")
    return make_conninfo(conninfo, password=asked_for or canary(kind))


def _telling(request: Request) -> Reaction:
    """A receiver of alerts that says all that it was told, which is kept of its answer."""
    told = f"{request.path} {dict(request.headers)}"
    return Reaction(500, told.encode(), is_accepted=False)


def _settings(
    patch: pytest.MonkeyPatch, target: Target, directory: Path, receiver: str, seen: Seen
) -> Settings:
    """Settings as an operator would make them, with a canary in every secret."""
    local = receiver.removeprefix("http://")
    # AppTest turns on what Streamlit's own server leaves off: a line for each request, its address
    # in it. What is served writes none, see the tests of the commands that serve.
    patch.setattr(logging.getLogger("uvicorn.access"), "disabled", True)
    for variable, value in {
        "DATABASE_URL": url_of(target.app),
        "SAVEGUARD_OWNER_DATABASE_URL": url_of(target.owner),
        "SAVEGUARD_DATA_DIR": str(directory),
        "SAVEGUARD_COOKIE_SECRET": canary("the secret of the cookies") * 2,
        "SAVEGUARD_OIDC_CLIENT_SECRET": canary("the secret at the provider"),
        "TELEGRAM_BOT_TOKEN": f"1:{canary('the token of the bot')}",
        "TELEGRAM_CHAT_ID": "1",
        "TELEGRAM_API_URL": receiver,
        "ALERT_WEBHOOK_URL": f"{receiver}/{canary('the address of the webhook')}",
        "ALERT_WEBHOOK_SECRET": canary("the secret of the webhook"),
        "ALERT_APPRISE_URLS": f"json://{local}/{canary('an address of Apprise')}",
    }.items():
        patch.setenv(variable, value)
        seen.sent.append(value.encode())
    return load_settings(os.environ, identity_lifetime=0)


@contextmanager
def _listening(patch: pytest.MonkeyPatch, seen: Seen, stream: io.TextIOBase) -> Iterator[None]:
    """Hears everything that is said, logged, and answered over HTTP."""
    patch.setattr(sys, "stdout", stream)
    patch.setattr(sys, "stderr", stream)
    send = httpx.Client.send

    def heard(client: httpx.Client, asked: httpx.Request, **more: Any) -> httpx.Response:
        seen.sent += [str(asked.url).encode(), repr(asked.headers.raw).encode(), asked.content]
        answer = send(client, asked, **more)
        path = _ID.sub("{id}", asked.url.path)
        kind = answer.headers.get("content-type", "").partition(";")[0]
        place = f"answer {asked.method} {path}"
        if answer.status_code >= _REFUSED:
            # Of a problem document the address is a member.
            place = "refusal as a problem" if "problem" in kind else "refusal"
        seen.note(place, _whole(answer))
        return answer

    patch.setattr(httpx.Client, "send", heard)

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.note("Python's logging", self.format(record))

    handler, root = Handler(logging.DEBUG), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for chatty in ("httpcore", "httpx"):  # the test's own client
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


# --- what is driven -------------------------------------------------------------------------------


def _drive(
    service: Service, provoked: Service, server: str, patch: pytest.MonkeyPatch, seen: Seen
) -> str:
    """Everything that the API and the pages do; the correlation id of one save."""
    trail_settings(service.runtime, Serving.API)
    with calling(service) as caller:
        _plant_people(caller)
        caller.http.headers["Authorization"] = f"Bearer {KEYS['a key that works']}"
        quote_id, correlation_id = _save(caller)
        _send_what_is_refused(caller, quote_id)
        _sign_in(patch, caller, seen)
        alert_id = _plant_alert(service)
        _show_pages(patch, service, seen, "", quote_id, correlation_id, alert_id)
        _look_at_objects(service, seen)
    _provoke(provoked, server, seen)
    _export(service, seen)
    with staged(provoked, server) as stage:
        provocations.a_dead_database(stage)
        stage.caller.http.get("/readyz")
        stage.caller.http.get("/metrics")
        _note_files(service.runtime.settings.data_dir / "journal", seen)
        gone = ", without a database"
        _show_pages(patch, provoked, seen, gone, quote_id, correlation_id, alert_id)
    return correlation_id


def _plant_people(caller: Caller) -> None:
    """Names, addresses and keys; a password, of which the hash is stored."""
    service, agency = caller.service, caller.agency
    ids = {
        "account": ("id", agency.account_id),
        "agent": ("id", agency.agent_id),
        "api_key": ("account_id", agency.account_id),
        "client": ("id", agency.client_id),
    }
    for place, kind in PEOPLE.items():
        table, _, column = place.partition(".")
        value = canary(kind) + ("@example.org" if column == "email" else "")
        key, row_id = ids[table]
        if column == "issuer":  # comes with its subject
            subject = canary("account subject")
            service.execute(
                "UPDATE account SET issuer = %s, subject = %s WHERE id = %s", value, subject, row_id
            )
        elif column != "subject":
            service.execute(f"UPDATE {table} SET {column} = %s WHERE {key} = %s", value, row_id)  # noqa: S608
    service.execute(
        "UPDATE api_key SET key_hash = %s WHERE account_id = %s",
        hash_api_key(KEYS["a key that works"]),
        agency.account_id,
    )
    for kind, ended in (("a revoked key", "revoked_at"), ("an expired key", "expires_at")):
        service.execute(
            f"INSERT INTO api_key (id, account_id, key_hash, created_at, {ended})"  # noqa: S608
            " VALUES (%s, %s, %s, now(), now() - interval '1 hour')",
            CLOCK.uuid7(),
            agency.account_id,
            hash_api_key(KEYS[kind]),
        )


def _plant_alert(service: Service) -> UUID:
    """An alert that somebody has silenced, noted and been told of; its id."""
    message, note, reason, answer = (canary(each) for each in ALERTS)
    with psycopg.connect(service.runtime.target.owner, autocommit=True) as connection:
        past = Past(connection, CLOCK.now())
        silence_id = past.silence({"rule": "HIGH-003"}, reason=reason)
        alert_id = past.alert(
            "HIGH-003",
            lasted=timedelta(minutes=5),
            message=message,
            because="because",
            remark=note,
            muted_by=Jsonb({"silence": str(silence_id)}),
        )
        past.tried(past.notice(alert_id, "webhook", answer=answer), answer=answer)
    return alert_id


def _sign_in(patch: pytest.MonkeyPatch, caller: Caller, seen: Seen) -> None:
    """The form to sign in, filled in rightly and wrongly; a page then, and out again."""
    # What a hash costs is another test's to look at.
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    patch.setattr(passwords, "_HASHER", cheap)
    passwords._nobodys.cache_clear()
    caller.service.execute(
        "INSERT INTO account_password VALUES (%s, %s, now())",
        caller.agency.account_id,
        passwords.hash_password(canary(PASSWORD)),
    )
    runtime = caller.service.runtime
    login = Login(replace(runtime, settings=with_login(runtime.settings)))
    email = f"{canary('account email')}@example.org"
    visitor = Visitor(login)
    for who, password in (
        (email, WRONG_PASSWORD),
        (f"{canary(WRONG_ADDRESS)}@example.org", WRONG_PASSWORD),
        (email, PASSWORD),
    ):
        answer = visitor.sign_in(who, canary(password), f"/lookup?correlation_id={canary(FORM)}")
        seen.note("answer of the form to sign in", _whole(answer))
    seen.tokens += [value.encode() for value in visitor.cookies.values()]
    assert seen.tokens
    page = visitor.get("/lookup")
    assert page.text == "inside /lookup"
    bad = {"email": canary(FORM), "password": canary(WRONG_PASSWORD), "token": canary(FORM)}
    for said in (
        page,
        visitor.get(f"/account/sign-in?next=//{canary(FORM)}"),
        visitor.post("/account/sign-out", {"token": canary(FORM)}),
        Visitor(login).post("/account/sign-in", bad),
        Visitor(login).post("/account/sign-in", bad, origin=f"https://{canary(FORM)}"),
        Visitor(login).get("/lookup", cookie=f"saveguard={canary('header Cookie')}"),
        Visitor(login).get("/lookup", host=f"{canary('header Host')}.example"),
    ):
        seen.note("answer at the door", _whole(said))
    seen.sent += [canary(each).encode() for each in (PASSWORD, WRONG_PASSWORD, WRONG_ADDRESS, FORM)]
    seen.sent.append(canary("header Host").encode())


def _whole(answer: httpx.Response) -> str:
    head = "\n".join(f"{name}: {value}" for name, value in answer.headers.multi_items())
    return f"{answer.status_code}\n{head}\n{answer.text}"


def _save(caller: Caller) -> tuple[str, str]:
    """A quote's whole life; its id, and the correlation id of its creation."""
    body = laden_quote() | {"clientId": str(caller.agency.client_id)}
    keyed = {"Idempotency_Key": canary(IDEMPOTENCY_KEY)}
    created = caller.call("POST", "", body, **keyed)
    assert created.status_code == 201, created.text
    assert caller.call("POST", "", body, **keyed).headers["idempotent-replayed"] == "true"
    quote_id = created.json()["quoteId"]
    changed = {"version": 1, "tripName": canary(SECOND_TRIP)}
    moves = {name: canary(f"move {name}") for name in MOVES}
    sent = {"channel": "email", "to": f"{moves['to']}@example.org"} | {
        name: moves[name] for name in ("subject", "message")
    }
    for method, path, said, status in (
        ("PATCH", "", changed, 200),
        ("PATCH", "", changed, 409),
        ("POST", "/send", sent, 200),
        ("POST", "/reject", {"reason": moves["reason"]}, 200),
        ("GET", "", None, 200),
        ("GET", "/history", None, 200),
        ("DELETE", "?version=4", None, 200),
    ):
        answer = caller.call(method, f"/{quote_id}{path}", said)
        assert answer.status_code == status, answer.text
    kept = caller.create(**body)
    # Of two versions the page shows what stands in both.
    assert caller.call("PATCH", f"/{kept}", {"version": 1, "taxes": 2}).status_code == 200
    assert caller.call("GET", "").status_code == 200
    return kept, created.headers["x-correlation-id"]


def _send_what_is_refused(caller: Caller, quote_id: str) -> None:
    """Secrets wherever they do not belong, in every call."""
    bodies: list[bytes] = [
        encode({canary(REFUSED_FIELD): canary(REFUSED_VALUE)}),
        encode(laden_quote() | {"adults": canary(REFUSED_VALUE), "currency": "EUR"}),
        encode(laden_quote() | {"startDate": canary(REFUSED_VALUE), "total": 1}),
        encode(laden_quote() | {"currency": canary(REFUSED_VALUE)}),
        f'{{"tripName": "{canary("a body that is no JSON")}"'.encode(),
        b"x" * (1024 * 1024) + canary("a body that is no JSON").encode(),
    ]
    for body in bodies:
        caller.call("POST", "", body)
        caller.call("PATCH", f"/{quote_id}", body)
    moves: list[tuple[str, str, bytes | None]] = [
        ("POST", QUOTES, encode({"adults": 0})),
        ("GET", QUOTES, None),
        *((method, f"{QUOTES}/{quote_id}", b"{}") for method in ("GET", "PATCH", "DELETE")),
        *(
            ("POST", f"{QUOTES}/{quote_id}/{move}", b'{"version": 9}')
            for move in ("send", "accept", "reject")
        ),
        ("GET", f"{QUOTES}/{quote_id}/history", None),
        ("GET", f"/api/{canary('a path')}", None),
        ("PATCH", f"{QUOTES}/{canary('a path')}", b"{}"),
        *(("GET", path, None) for path in ("/metrics", "/healthz", "/readyz", "/api/openapi.json")),
    ]
    for number, (method, path, content) in enumerate(moves):
        # One by one where a call is read, and one that saves; the others have the same entrance.
        for headers in list(_bad_headers())[0 if number < _ONE_BY_ONE else -2 :]:
            given = {"Content-Type": "application/json"} | headers
            caller.http.request(method, path, content=content, headers=given)
        for name in QUERY:
            caller.http.request(method, f"{path}?{name}={canary(f'query {name}')}", content=content)
        query = f"?{canary('query name')}=1"
        problem = {"Accept": "application/problem+json"}
        caller.http.request(method, path + query, content=content, headers=problem)
    for kind, key in KEYS.items():
        with client_of(caller.service, key) as http:
            http.get(QUOTES)
            http.post(QUOTES, json={canary(REFUSED_FIELD): kind})
    # No HTTP, so no answer of ours; the server's own words.
    for path in (f"/{canary('a path')}\0", f"/{canary('a path')} x"):
        hear_once(caller.service, request("GET", path))


def _bad_headers() -> Iterator[dict[str, str]]:
    """Each header with a canary in it, in a form that is not accepted; then all at once."""
    shapes = {
        "Authorization": "Basic {}",
        "Cookie": "session={0}; {0}=1",
        "Idempotency-Key": "{} with blanks",
        "If-Match": '"{}"',
        "Traceparent": "00-{}-01",
        "X-Correlation-ID": "{} with blanks",
    }
    every = {name: shapes.get(name, "{}").format(canary(f"header {name}")) for name in HEADERS}
    for name, value in every.items():
        yield {name: value}
    yield {"Authorization": f"Bearer {canary('header Authorization')}"}
    yield every


def _provoke(service: Service, server: str, seen: Seen) -> None:
    """Every way to an error code; see there for what each carries."""
    for provocation in ALL:
        with staged(service, server) as stage:
            provocation.play(stage)
            _note_files(service.runtime.settings.data_dir / "journal", seen)
    service.take_surprises()


def _show_pages(
    patch: pytest.MonkeyPatch,
    service: Service,
    seen: Seen,
    state: str,
    quote_id: str,
    correlation_id: str,
    alert_id: UUID,
) -> None:
    """Every page as a viewer gets it."""
    for patience in ("_GLANCE_S", "_PATIENCE_S"):
        patch.setattr(memory, patience, _PATIENCE_S)
    addresses: dict[str, list[dict[str, str]]] = {
        "lookup": [{"correlation_id": correlation_id}],
        "quote": [{"quote": quote_id, "unchanged": "shown"}],
        "alerts": [
            {"alert": str(alert_id)},
            *({"show": view.value} for view in alerts_address.Show),
        ],
    }
    st.cache_resource.clear()
    engine_in_process.provide(service.runtime)
    try:
        visits = [(name, each) for name in PAGES for each in addresses.get(name, [{}])]
        for name, address in visits:
            page = AppTest.from_file(str(APP), default_timeout=30)
            page.switch_page(f"../pages/{name}.py")
            for key, value in address.items():
                page.query_params[key] = value
            page.run()
            assert not page.exception, page.exception
            for element in _elements(page._tree):
                seen.note(f"page {name}{state}", element)
            if any(each.key == _SHOW for each in page.button):
                page.button(key=_SHOW).click().run()
                assert not page.exception, page.exception
                for element in _elements(page._tree):
                    seen.note(f"page {name}, personal data asked for", element)
    finally:
        engine_in_process.provide(None)
        st.cache_resource.clear()


def _elements(node: Any) -> Iterator[bytes]:
    """Everything that a browser is sent: a page's messages, with its tables' bytes in them."""
    proto = getattr(node, "proto", None)
    if proto is not None:
        yield proto.SerializeToString()
    for child in getattr(node, "children", {}).values():
        yield from _elements(child)


def _export(service: Service, seen: Seen) -> None:
    """Files that a page offers: every attempt as CSV, and the story of each."""
    now = CLOCK.now()
    everything = Selection(
        Window(now - timedelta(hours=1), now + timedelta(hours=1)), Filter(traffic=None)
    )
    with service.runtime.read_pool.connection() as connection:
        out = io.StringIO(newline="")
        assert export(connection, everything, out) > 0
        seen.note("file for a spreadsheet", out.getvalue())
    with psycopg.connect(service.runtime.target.app, autocommit=True) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        # The newest of each kind: one story is like another.
        for row in cursor.execute(
            "SELECT DISTINCT ON (operation, error_code, http_status) * FROM ledger"
            " ORDER BY operation, error_code, http_status, started_at DESC"
        ).fetchall():
            told = story.tell(connection, row)
            seen.note("story as JSON", lookup_export.as_json(told, "/lookup"))
            seen.note("story in Markdown", lookup_export.as_markdown(told, "/lookup"))


def _look_at_objects(service: Service, seen: Seen) -> None:
    """What a debugger, a log line or an error's report would print of what is in memory."""
    runtime = service.runtime
    for thing in (
        runtime.settings,
        runtime.target,
        runtime,
        runtime.save_pool,
        runtime.identities,
        runtime.saver,
        service.metrics,
    ):
        seen.note("repr", repr(thing))
        seen.note("repr", str(thing))
    seen.note("repr", runtime.settings.model_dump())
    seen.note("repr", runtime.settings.model_dump_json())
    with runtime.read_pool.connection() as connection:
        seen.note("repr", repr(connection))


# --- where it is looked for -----------------------------------------------------------------------


def _rows(server: str, target: Target) -> Iterator[tuple[str, str, bytes]]:
    """Every value of every table, and what the server shows of its sessions."""
    name = str(conninfo_to_dict(target.owner)["dbname"])
    tables = """
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
            AND NOT c.relispartition
    """
    with psycopg.connect(make_conninfo(server, dbname=name), autocommit=True) as connection:
        found = [table for (table,) in connection.execute(tables).fetchall()]
        assert len(found) > 20
        for table in found:
            query = sql.SQL("SELECT to_jsonb(t)::text FROM {} t").format(sql.Identifier(table))
            for (row,) in connection.execute(query):
                for column, value in json.loads(row).items():
                    yield table, column, json.dumps(value, ensure_ascii=False).encode()
        for (query_text,) in connection.execute(
            "SELECT query FROM pg_stat_activity WHERE datname = %s", [name]
        ).fetchall():
            yield "pg_stat_activity", "query", str(query_text).encode()


def _alert(runtime: Runtime) -> None:
    """Sends a test by every channel, to receivers that tell all that they were told."""
    with session_of(runtime.target) as session:
        actor = at_terminal(runtime.clock)
        made = put_tests(session, runtime.settings, runtime.clock, actor, ChannelName)
        assert not isinstance(made, Refusal)
    sender = Sender(runtime.settings, runtime.target, runtime.clock)
    assert all(each.run() for each in sender.deliveries)
    for each in sender.deliveries:
        each.end()


def _run_commands(
    patch: pytest.MonkeyPatch, seen: Seen, directory: Path, correlation_id: str
) -> None:
    """An operator's commands, those that cannot do their work among them."""
    bookings = str(write_csv(directory / "bookings.csv", some_rows()[:6]))
    wrong_kind = canary("a setting of the wrong kind")
    password = canary("the database's password")
    email = f"{canary('account email')}@example.org"
    window = ["--from", "2026-01-01T00:00:00Z", "--until", "2027-01-01T00:00:00Z"]
    good: dict[str, int] = {}
    for argv in (
        ["verify"], ["verify", "--json"], ["attempts", correlation_id],
        ["attempts", correlation_id, "--json"], ["attempts", "nothing-like-it"],
        ["logs", correlation_id], ["logs", "--lines", "1000", "--json"], ["logs"],
        ["export", *window], ["rollup", "status"], ["rollup", "status", "--check"], ["retention"],
        ["migrate", "status"], ["key", "list", email], ["key", "list", email, "--json"],
        ["user", "list"], ["user", "list", "--json"], ["user", "set", email, "--role", "lead"],
        ["user", "sign-out", email], ["alerts", "test"], ["alerts", "test", "--json"],
        ["alerts", "test", "--confirm", "nothing"],
        ["replay", bookings, "--workers", "1"],
        ["replay", bookings, "--via", "http", "--url", "http://127.0.0.1:1"],
    ):  # fmt: skip
        good[" ".join(argv[:2])] = _command(patch, *argv)
    assert good["export --from"] == good["migrate status"] == 0
    for variable, value in {
        "DATABASE_URL": f"postgresql://{password}:{password}@127.0.0.1:1/x",
        "SAVEGUARD_OWNER_DATABASE_URL": f"postgresql://u:{password}@127.0.0.1:port/x",
        "SAVEGUARD_COOKIE_SECRET": wrong_kind,
        "SAVEGUARD_PORT": wrong_kind,
        "SAVEGUARD_LOGIN": wrong_kind,
        "SAVEGUARD_POOL_SIZE": wrong_kind,
        "SAVEGUARD_OIDC_METADATA_URL": f"https://u:{wrong_kind}@provider.example",
        "SAVEGUARD_LOCK_TIMEOUT": wrong_kind,
        "SAVEGUARD_COOKIE": wrong_kind,
    }.items():
        with pytest.MonkeyPatch.context() as inner:
            inner.setenv(variable, value)
            seen.sent.append(value.encode())
            assert _command(inner, "verify") == _CANNOT
            try:
                open_target(load_settings(os.environ))
            except SetupError:
                sys.stderr.write(traceback.format_exc())
    for url in (f"mysql://u:{password}@h/x", f"postgresql://u:{password}@127.0.0.1:port/x"):
        with pytest.MonkeyPatch.context() as inner:
            inner.setenv("DATABASE_URL", url)
            assert _command(inner, "api") == _CANNOT


def _command(patch: pytest.MonkeyPatch, *argv: str) -> int:
    """Runs `saveguard` in this process; its exit status."""
    patch.setattr(sys, "argv", ["saveguard", *argv])
    before = signal.getsignal(signal.SIGTERM)
    try:
        run(cli)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _note_files(directory: Path, seen: Seen) -> None:
    """What lies on the disk: journals, log files, whatever else is kept."""
    for path in directory.rglob("*"):
        if path.is_file():
            kind = path.relative_to(directory).parts[0]
            seen.note("journal" if "journal" in {directory.name, kind} else kind, path.read_bytes())
