"""Every error code over HTTP: its status, severity, retryable, its row; and that nothing leaks."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.database.target import Target
from engine.logs import configure_logs
from tests.api.caller import calling
from tests.api.provocations import (
    ALL,
    NASTY,
    SECRET,
    TIMEOUTS,
    UNKNOWN_KEY,
    Provocation,
    Stage,
    a_dead_database,
    one_request_too_many,
    staged,
)
from tests.api.refusals import TABLE, refusal
from tests.api.service import Service, served, settings_in
from tests.database.databases import cloned
from tests.support import ledger_rows

PASSWORD = "canary-password-1d9c"  # noqa: S105 - planted on purpose
# ruff: noqa: S108 - names of directories that must not show
# What no answer to a refused request may hold: ours, and what gives away how we are built.
INTERNALS = [
    SECRET, PASSWORD, "sgk_", "psycopg", "sqlalchemy", "Traceback", 'File "', ".py", "line ",
    "SELECT", "INSERT", "UPDATE ", "FROM ", "pg_", "plpgsql", "constraint", "provoke", "quote_",
    "saveguard_app", "saveguard_owner", "/work", "/tmp", "/var", "/home", "RuntimeError",
    "Exception", "NULL", "0x",
]  # fmt: skip


@pytest.fixture(scope="module")
def laden_service(
    server: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A server with short patience, whose database URL carries a password."""
    settings = settings_in(tmp_path_factory.mktemp("laden"), **TIMEOUTS)
    with cloned(server, template) as plain:
        target = Target(app=planted(plain.app), owner=planted(plain.owner))
        with served(target, settings) as service:
            yield service


def planted(conninfo: str) -> str:
    """The same with a password that nobody asks for, unless there is one that is asked for."""
    asked_for = conninfo_to_dict(conninfo).get("password")
    return make_conninfo(conninfo, password=asked_for or PASSWORD)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What the process says while the test runs, logged as it is in service."""
    stream = StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logs("json")
    return stream


@pytest.fixture
def stage(laden_service: Service, server: str, said: StringIO) -> Iterator[Stage]:
    """A stage whose every word is heard."""
    assert not said.closed
    with staged(laden_service, server) as made:
        yield made


class Played(NamedTuple):
    """A provocation, its answer, and everything that was logged meanwhile."""

    provocation: Provocation
    answer: httpx.Response
    stage: Stage
    logged: str


@pytest.fixture(params=ALL, ids=lambda provocation: provocation.name)
def played(
    request: pytest.FixtureRequest,
    stage: Stage,
    said: StringIO,
    caplog: pytest.LogCaptureFixture,
) -> Played:
    """One provocation, played to its end."""
    provocation: Provocation = request.param
    with caplog.at_level(logging.DEBUG):
        for chatty in ("httpcore", "httpx"):  # the test's own client
            logging.getLogger(chatty).setLevel(logging.WARNING)
        answer = provocation.play(stage)
        stage.afterwards.close()
        stage.patch.undo()
    return Played(provocation, answer, stage, said.getvalue() + caplog.text)


def test_a_refusal_is_the_one_in_the_table_and_stands_in_the_ledger(played: Played) -> None:
    provocation, answer, stage, logged = played

    body = refusal(answer, provocation.code, provocation.status)
    surprises = stage.service.take_surprises()
    assert [each.correlation_id for each in surprises] == (
        [body["correlationId"]] if provocation.is_reported else []
    )
    check_row(stage.service, provocation, body["correlationId"])
    check_nothing_leaked(played)
    if provocation.is_reported:
        assert body["correlationId"] in logged
        assert "unexpected_error" in logged
    # Nothing was left half done: the same agent saves on, unless it was suspended.
    if provocation.code != "AUTHORIZATION_FAILED":
        assert stage.post().status_code == 201


def check_row(service: Service, provocation: Provocation, correlation_id: str) -> None:
    """Asserts that the ledger has the attempt as the table says, once, or not at all."""
    rows = service.attempts(correlation_id)
    assert len(rows) == provocation.leaves_attempt
    for row in rows:
        expected = TABLE[provocation.code]
        assert (row["error_code"], row["severity"], row["retryable"], row["http_status"]) == (
            provocation.code,
            expected.severity,
            expected.retryable,
            provocation.status,
        )
        outcome = {409: "conflict", 412: "conflict", 500: "failed", 503: "failed", 504: "failed"}
        is_conflict = provocation.code == "QUOTE_CONFLICT_VERSION"
        assert row["outcome"] == (
            outcome[provocation.status] if is_conflict or provocation.status >= 500 else "rejected"
        )
        if provocation.code == "DATABASE_TRANSACTION_ABORTED":
            assert row["retries"] == 2


def check_nothing_leaked(played: Played) -> None:
    """Asserts that no secret and nothing of our making shows where it must not."""
    _, answer, stage, logged = played
    service = stage.service
    head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    for internal in INTERNALS:
        assert internal not in answer.text + head, internal
    keys = [stage.caller.agency.api_key, UNKNOWN_KEY]
    for secret in (SECRET, PASSWORD, *keys):
        assert secret not in logged, secret
    ledger = [
        {name: value for name, value in row.items() if name != "idempotency_key"}
        for row in ledger_rows(service.runtime.target.owner)
    ]
    journals = b"".join(map(Path.read_bytes, service.runtime.journal.directory.iterdir()))
    exposed = service.metrics.exposition(service.runtime)
    for secret in (SECRET, PASSWORD, NASTY, *keys):
        assert secret not in str(ledger)
        assert secret.encode() not in exposed
    for secret in (PASSWORD, NASTY, *keys):
        assert secret.encode() not in journals


def test_every_code_of_the_taxonomy_has_a_provocation() -> None:
    assert {provocation.code for provocation in ALL} == set(TABLE)
    statuses = {(code, status) for code, line in TABLE.items() for status in line.statuses}
    provoked = {(provocation.code, provocation.status) for provocation in ALL}
    # 405 is no attempt at anything, see the tests of states; 408 takes a slow caller, see those of
    # bad HTTP.
    elsewhere = {("QUOTE_VALIDATION_FAILED", 405), ("QUOTE_VALIDATION_FAILED", 408)}
    assert statuses - provoked == elsewhere


def test_the_wait_of_the_rate_limit_is_in_retry_after(stage: Stage) -> None:
    answer = one_request_too_many(stage)

    wait = int(answer.headers["retry-after"])
    assert 1 <= wait <= 60
    assert answer.json()["details"] == {"limitPerMinute": 1, "retryAfterSeconds": wait}


def test_a_quota_counts_active_quotes_only(stage: Stage) -> None:
    service = stage.service
    with calling(service, service.agency(max_active_quotes=2)) as caller:
        first, _second = caller.create(), caller.create()
        refused = caller.call("POST", "", {"x": 1})
        full = caller.http.post("/api/agents/quotes", json=PLAIN)
        assert caller.call("DELETE", f"/{first}").status_code == 200
        freed = caller.http.post("/api/agents/quotes", json=PLAIN)

    assert refused.status_code == 400
    details = refusal(full, "QUOTA_EXCEEDED", 403)["details"]
    assert details == {"maxActiveQuotes": 2}
    assert freed.status_code == 201


PLAIN = {
    "tripName": "a",
    "destination": "b",
    "startDate": "2026-06-01",
    "endDate": "2026-06-02",
    "adults": 1,
}


def test_a_save_that_found_the_database_away_is_in_the_ledger_when_it_is_back(
    stage: Stage,
) -> None:
    answer = a_dead_database(stage)
    while_away = stage.service.runtime.journal.is_spooling
    stage.afterwards.close()

    correlation_id = refusal(answer, "QUOTE_PERSISTENCE_FAILED", 500)["correlationId"]
    assert while_away
    row = stage.service.attempt(correlation_id)
    assert row["agent_id"] == stage.caller.agency.agent_id


def test_health_tells_a_dead_database_and_no_more(stage: Stage) -> None:
    def health() -> list[tuple[int, object]]:
        answers = [stage.caller.http.get(path) for path in ("/healthz", "/readyz")]
        return [(answer.status_code, answer.json()) for answer in answers]

    before = health()
    a_dead_database(stage)
    while_away = health()
    metrics = stage.caller.http.get("/metrics")
    stage.afterwards.close()

    alive = (200, {"status": "ok", "release": "0.1.0"})
    ready = {"database": True, "journal": True}
    assert before == [alive, (200, {"status": "ready", "checks": ready})]
    assert while_away == [
        alive,
        (503, {"status": "not ready", "checks": ready | {"database": False}}),
    ]
    assert health() == before
    assert metrics.status_code == 200
    assert "saveguard_spooled_attempts 1.0" in metrics.text
